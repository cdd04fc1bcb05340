"""Settings from the environment and from secret files; all problems are reported at once."""

import os
import re
import sys
from collections.abc import Callable
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from yarl import URL

from shared.notices.configuration import Configuration, ConfigurationError, read_configuration
from shared.runtime.hosts import get_login, split_hosts

PREFIX = "KREISFUNK_"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
EXIT_SETTINGS = 2
MAX_SHUTDOWN_SECONDS = 5.0
_WORD = re.compile(r"[\x21-\x7e]+")
THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
Port = Annotated[int, Field(ge=0, le=65535)]


def validate_with(parse: Callable[[str], object]) -> AfterValidator:
    """Return a validator of texts and secrets that calls `parse`, which raises ValueError for invalid ones."""

    def validate(value: str | SecretStr) -> str | SecretStr:
        parse(value.get_secret_value() if isinstance(value, SecretStr) else value)
        return value

    return AfterValidator(validate)


def require_readable_hosts(url: str) -> None:
    """Raise ValueError, without any part of the URL, if a host or port cannot be read.

    No driver expects the error of a look-up of `rabbitmq..example`: the broker's tries again without end.
    """
    try:
        for server in split_hosts(url):
            (URL(server).host or "").encode("idna")
    except ValueError:
        raise ValueError("a host or port cannot be read; a password there has to be quoted, or in a file") from None


def normalize_url(text: str) -> str:
    """Strip `/` and `/notices`; require https unless the host is local, as the token is sent there.

    Raises ValueError.
    """
    url = URL(text.strip())
    if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string or url.fragment:
        raise ValueError("expected an address such as https://kreisfunk.example")
    if url.scheme == "http" and not _is_local(url.host):
        raise ValueError("use https: over http, anybody on the way could read the token")
    return str(url).rstrip("/").removesuffix("/notices")


def _is_local(host: str) -> bool:
    """Return whether the host is this machine, in a private network, or a name within a container network."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host


def require_word(secret: str) -> None:
    """Raise ValueError, without the secret, if it cannot be one, such as two lines or what begins with a BOM."""
    if not _WORD.fullmatch(secret):
        raise ValueError("must be one word of printable ASCII, without line breaks or invisible characters")


# A class that declares such a field again names its type again, or the value would not be validated.
BrokerUrl = Annotated[str, validate_with(require_readable_hosts)]
DatabaseUrl = Annotated[str, validate_with(require_readable_hosts)]
NoticesApiUrl = Annotated[str, AfterValidator(normalize_url)]


class EnvironmentSettings(BaseSettings):
    """Settings of a process. Each value may also come from a file `kreisfunk_<name>` in KREISFUNK_SECRETS_DIR."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        env_ignore_empty=True,
        defer_build=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_thousands(cls, value: object) -> object:
        """Raise ValueError for 1.000, which Germans write for a thousand and pydantic reads as one."""
        if isinstance(value, str) and THOUSANDS.fullmatch(value.strip()):
            raise ValueError("write the number without dots")
        return value


class BrokerAccess(EnvironmentSettings):
    """Access to the broker with a login."""

    broker_url: BrokerUrl = Field(
        description="amqp://login@host:port/vhost; host:port,host:port for a cluster", pattern=r"^amqps?://"
    )
    broker_password: SecretStr | None = Field(None, description="password of the broker login")

    @property
    def login(self) -> str:
        """Return the user name in `broker_url`."""
        return get_login(self.broker_url)

    @property
    def broker_secret(self) -> str | None:
        return self.broker_password.get_secret_value() if self.broker_password else None


class DatabaseAccess(EnvironmentSettings):
    """Access to the database with one of its roles."""

    database_url: DatabaseUrl = Field(
        description="postgresql://role@host:port/name; host:port,host:port with replicas", pattern=r"^postgres(ql)?://"
    )
    database_password: SecretStr | None = Field(None, description="password of the database role")

    @property
    def database_secret(self) -> str | None:
        return self.database_password.get_secret_value() if self.database_password else None


class NoticesApiAccess(EnvironmentSettings):
    """Access of a municipal system to the notices API; the token identifies the system."""

    notices_api_url: NoticesApiUrl = Field(description="https://host of notices over HTTP")
    notices_api_token: Annotated[SecretStr, validate_with(require_word)] = Field(
        description="token for notices over HTTP"
    )


class ServiceSettings(EnvironmentSettings):
    """Settings of every service."""

    internal_host: str = Field("127.0.0.1", description="address on which /livez, /readyz and /metrics listen")
    internal_port: Port = Field(9090, description="port of /livez, /readyz and /metrics")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    drain_seconds: float = Field(20, gt=0, le=600, description="maximum time from SIGTERM to exit")

    @property
    def shutdown_seconds(self) -> float:
        """Return how long a port may take to answer requests in flight."""
        return min(MAX_SHUTDOWN_SECONDS, self.drain_seconds / 2)


class DatabaseSettings(ServiceSettings, BrokerAccess, DatabaseAccess):
    """Settings of a service with its own database."""


S = TypeVar("S", bound=BaseSettings)
C = TypeVar("C", bound=Configuration)


def read_settings(settings_type: type[S]) -> S:
    """Return the settings; if any are missing or wrong, list the problems on stderr and exit with status 2."""
    try:
        return settings_type(_secrets_dir=find_secrets_folder())
    except (ValidationError, SettingsError) as error:
        sys.stderr.write(explain(error, settings_type))
        sys.exit(EXIT_SETTINGS)


@cache
def read_county(path: Path, configuration_type: type[C], check: Callable[[C], None] = lambda _: None) -> C:
    """Return the county's configuration; if the file is invalid, print the problem on stderr and exit with status 2.

    `check` raises ValueError for what the type alone permits. The file is read once: a process that restarts its work
    after an outage keeps the configuration.
    """
    try:
        county = read_configuration(path, configuration_type)
        check(county)
    except (ConfigurationError, ValueError) as error:
        sys.stderr.write(f"Settings are missing or wrong:\n  {PREFIX}COUNTY_FILE: {error}\n")
        sys.exit(EXIT_SETTINGS)
    return county


def find_secrets_folder() -> Path | None:
    """Return KREISFUNK_SECRETS_DIR if it is a folder that we can reach."""
    folder = os.environ.get(SECRETS_DIR)
    return Path(folder) if folder and os.path.isdir(folder) else None


def explain(error: ValidationError | SettingsError, settings_type: type[BaseSettings]) -> str:
    """Return one line for each problem: the variable, the error and the variable's purpose, but never its value.

    A SettingsError is about the first file that cannot be read, or the first text that is not the JSON that it must be.
    """
    lines = []
    if (folder := os.environ.get(SECRETS_DIR)) and find_secrets_folder() is None:
        lines.append(f"  {SECRETS_DIR}: there is no folder {folder}, or we may not enter it\n")
    if isinstance(error, SettingsError):
        name = "".join(re.findall(r'field "(\w+)"', str(error)))
        lines.append(f"  {PREFIX}{name.upper()}: cannot be read ({type(error.__cause__).__name__})\n")
    for problem in error.errors(include_input=False, include_url=False) if isinstance(error, ValidationError) else ():
        name = str(problem["loc"][0]) if problem["loc"] else "settings"
        field = settings_type.model_fields.get(name)
        purpose = f" ({field.description})" if field and field.description else ""
        lines.append(f"  {PREFIX}{name.upper()}: {problem['msg'].removeprefix('Value error, ')}{purpose}\n")
    return (
        "Settings are missing or wrong:\n"
        + "".join(lines)
        + f"Set each as a variable, or as a file in {SECRETS_DIR}.\n"
    )
