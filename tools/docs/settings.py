"""Generator of the settings in docs/guides/operators.md, from the settings classes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from cli.settings import (
    AccountSettings,
    BackupSettings,
    BrokerAdminSettings,
    MigrationSettings,
    OperatorSettings,
    PublisherSettings,
    QuarantineSettings,
    RotationSettings,
    TokenSettings,
)
from cli.setup.run import MetaSettings
from services.dispatcher.settings import Settings as Dispatcher
from services.feeds.settings import Settings as Feeds
from services.ingress.notices.settings import Settings as Notices
from services.ingress.settings import Settings as Ingress
from services.newsroom.settings import Settings as Newsroom
from services.subscriptions.settings import Settings as Subscriptions
from shared.runtime.settings import PREFIX, ServiceSettings

OPERATOR_COMMANDS = "`broadcasts`, `deliveries`, `trace`, `templates`, `dead-letters`"
SETTINGS_BY_READER: Mapping[str, type[BaseSettings]] = {
    "ingress": Ingress,
    "notices over HTTP": Notices,
    "subscriptions": Subscriptions,
    "dispatcher": Dispatcher,
    "newsroom": Newsroom,
    "`kreisfunk migrate`": MigrationSettings,
    "`kreisfunk publish`, `kreisfunk withdraw`": PublisherSettings,
    "feeds, `kreisfunk feeds`": Feeds,
    "`kreisfunk quarantine`": QuarantineSettings,
    f"`kreisfunk sending`, {OPERATOR_COMMANDS}": OperatorSettings,
    "`kreisfunk setup`": MetaSettings,
    "`kreisfunk tokens`": TokenSettings,
    "`kreisfunk systems`": BrokerAdminSettings,
    "`kreisfunk keys`": RotationSettings,
    "`kreisfunk newsroom users`": AccountSettings,
    "`kreisfunk backup`, `kreisfunk restore`": BackupSettings,
}


def render_settings() -> str:
    """Return the settings of all services, of single services, and of several services and commands."""
    return "\n\n".join(_render_parts())


def _render_parts() -> Iterator[str]:
    yield "All services:"
    yield "\n".join(_format_setting(*field) for field in ServiceSettings.model_fields.items())
    readers = _collect_readers()
    services = [name for name, kind in SETTINGS_BY_READER.items() if issubclass(kind, ServiceSettings)]
    for service in services:
        if lines := [line for line, names in readers.items() if names == [service]]:
            yield f"{service}:"
            yield "\n".join(lines)
    yield "Several services, and commands (`kreisfunk …`):"
    others = [(line, names) for line, names in readers.items() if names[0] not in services or len(names) > 1]
    yield "\n".join(sorted(f"{line}; for {', '.join(map(_shorten_reader, names))}" for line, names in others))


def _shorten_reader(name: str) -> str:
    if OPERATOR_COMMANDS in name:
        return "operators' commands"
    return name.removesuffix(", `kreisfunk feeds`").removesuffix(" over HTTP").replace("`kreisfunk ", "`")


def _collect_readers() -> Mapping[str, list[str]]:
    readers: dict[str, list[str]] = {}
    for name, kind in SETTINGS_BY_READER.items():
        inherited = ServiceSettings.model_fields if issubclass(kind, ServiceSettings) else {}
        for field, info in kind.model_fields.items():
            if field not in inherited:
                readers.setdefault(_format_setting(field, info), []).append(name)
    return readers


def _format_setting(name: str, info: FieldInfo) -> str:
    return f"- `{PREFIX}{name.upper()}`{_format_default(info)}: {_format_purpose(info)}"


def _format_default(info: FieldInfo) -> str:
    if info.is_required():
        return ", **required**"
    if info.default in (None, ""):
        return ""
    text = info.default.as_posix() if isinstance(info.default, Path) else str(info.default)
    return f" (`{text.removesuffix('/')}`)"


def _format_purpose(info: FieldInfo) -> str:
    choices = [choice for choice in get_args(info.annotation) if isinstance(choice, str)]
    purpose = info.description or (f"one of {', '.join(choices)}" if choices else "")
    return f"{purpose}; secret" if is_secret(info) else purpose


def is_secret(info: FieldInfo) -> bool:
    """Return whether a setting belongs in a file, not in a variable."""
    return info.annotation is SecretStr or SecretStr in get_args(info.annotation)
