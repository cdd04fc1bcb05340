"""docker-compose.yml as data, and the settings of each process."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from cli.main import load_command
from shared.runtime.settings import PREFIX
from tools.docs.generate import DOCS
from tools.docs.settings import SETTINGS_BY_READER, is_secret

ROOT = DOCS.parent
SERVICES: Mapping[str, Mapping[str, Any]] = msgspec.yaml.decode((ROOT / "docker-compose.yml").read_bytes())["services"]
# Services by their name in the guide.
PROCESSES: Mapping[str, tuple[str, ...]] = {
    "ingress": ("ingress",),
    "notices over HTTP": ("notices",),
    "subscriptions": ("subscriptions",),
    "dispatcher": ("dispatcher", "doctor"),
    "newsroom": ("newsroom",),
    "`kreisfunk migrate`": ("migrate",),
    "`kreisfunk publish`, `kreisfunk withdraw`": ("publish", "withdraw"),
    "feeds, `kreisfunk feeds`": ("feeds",),
    "`kreisfunk quarantine`": ("quarantine",),
    "`kreisfunk sending`, `broadcasts`, `deliveries`, `trace`, `templates`, `dead-letters`": ("operate",),
    "`kreisfunk setup`": ("setup",),
    "`kreisfunk tokens`": ("tokens",),
    "`kreisfunk systems`": ("systems",),
    "`kreisfunk keys`": ("keys",),
    "`kreisfunk newsroom users`": ("users",),
    "`kreisfunk backup`, `kreisfunk restore`": ("backup", "restore"),
}
# Fixed in the file: addresses between containers, and what they share.
FIXED_NAMES = re.compile(
    f"{PREFIX}(BROKER_URL|BROKER_API_URL|DATABASE_URL|"
    "(INTERNAL|LISTEN|NOTICES_API|NEWSROOM|ARCHIVE)_(HOST|PORT)|NOTICES_API_(TOKENS_FILE|URL)|FEEDS_FOLDER|NEWSROOM_ASSETS)"
)
OTHER_NAMES = {f"{PREFIX}DISPATCHERS": "DISPATCHERS"}


class PassedSetting(NamedTuple):
    """A setting, the service that reads it, and its variable in .env, empty if it has none."""

    service: str
    setting: str
    variable: str
    secret: bool


def list_settings() -> Iterator[PassedSetting]:
    """Yield all settings of the guide and all variables in commands' help, for each service that reads them."""
    yield from list_options()
    for reader, kind in SETTINGS_BY_READER.items():
        for service in PROCESSES[reader]:
            for field, info in kind.model_fields.items():
                name = f"{PREFIX}{field.upper()}"
                is_fixed = is_secret(info) or FIXED_NAMES.fullmatch(name)
                yield PassedSetting(service, name, "" if is_fixed else OTHER_NAMES.get(name, name), is_secret(info))


def list_options() -> Iterator[PassedSetting]:
    """Yield the options with a variable, for each service that runs a single command."""
    for service, definition in SERVICES.items():
        words = [word for word in definition.get("entrypoint", ()) if not word.startswith("-")]
        if len(words) > 1:
            command = load_command(words[1])
            for word in words[2:]:
                command = command.commands[word]
            for option in command.params:
                if option.envvar:
                    yield PassedSetting(service, option.envvar, option.envvar, secret=False)


def read_environment(service: str) -> Mapping[str, str | None]:
    """Return the environment of a service; None means the value from .env."""
    environment: Mapping[str, str | None] = SERVICES[service]["environment"]
    return environment
