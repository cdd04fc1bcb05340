"""Generator of the settings in docs/guides/operators.md, from the settings classes."""

from collections.abc import Container, Iterable, Iterator, Mapping
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
    """Return the settings of all services, of single and several services, and those that only commands read.

    A command names a required setting that is missing, so its variants of the services' settings are left out.
    """
    return "\n\n".join(_render_parts())


def _render_parts() -> Iterator[str]:
    yield "All services:"
    yield "\n".join(_format_setting(*field) for field in ServiceSettings.model_fields.items())
    services = {name: kind for name, kind in SETTINGS_BY_READER.items() if issubclass(kind, ServiceSettings)}
    readers = _collect_readers(services)
    for service in services:
        if lines := [line for line, names in readers.items() if names == [service]]:
            yield f"{service}:"
            yield "\n".join(lines)
    yield "Several services:"
    yield "\n".join(_format_shared(line, names) for line, names in sorted(readers.items()) if len(names) > 1)
    yield "Commands (`kreisfunk …`) only:"
    known = {field for kind in services.values() for field in kind.model_fields}
    commands = {name: kind for name, kind in SETTINGS_BY_READER.items() if name not in services}
    readers = _collect_readers(commands, known)
    yield "\n".join(_format_shared(line, names) for line, names in sorted(readers.items()))


def _format_shared(line: str, readers: Iterable[str]) -> str:
    names = (name.removesuffix(", `kreisfunk feeds`").removesuffix(" over HTTP") for name in readers)
    return f"{line}; for {', '.join(names).replace('`kreisfunk ', '`')}"


def _collect_readers(kinds: Mapping[str, type[BaseSettings]], known: Container[str] = ()) -> Mapping[str, list[str]]:
    readers: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        inherited = ServiceSettings.model_fields if issubclass(kind, ServiceSettings) else {}
        for field, info in kind.model_fields.items():
            if field not in inherited and field not in known:
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
