"""Settings of a publishing municipal system, for AMQP and HTTP."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from yarl import URL

from cli.stacks import RunningStack, use_environment
from deploy.paths import CONFIG
from shared.notices.config import ConfigurationError, read_configuration
from shared.notices.configuration import Configuration
from shared.runtime.hosts import get_login
from shared.runtime.settings import PREFIX, read_settings

DEFAULT_SOURCE = "urn:kreisfunk:{login}"


class CommonSettings(BaseSettings):
    """Settings that both transports need."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    source: str | None = Field(None, description="CloudEvents source that belongs to the login")


class Settings(CommonSettings):
    """AMQP access of a municipal system; the login is the user in `broker_url`."""

    broker_url: str = Field(
        description="amqp://login@host:port/vhost; host:port,host:port for a cluster",
        pattern=r"^amqps?://[^@/:]+(:[^@/]*)?@",
    )
    broker_password: SecretStr | None = Field(None, description="password of the broker login")
    county_file: Path | None = Field(None, description="the county's file, unless it is the one of this version")

    @property
    def county(self) -> Path:
        return self.county_file or CONFIG / "county.toml"

    @property
    def login(self) -> str:
        return get_login(self.broker_url)

    @property
    def broker_secret(self) -> str | None:
        return self.broker_password.get_secret_value() if self.broker_password else None

    @property
    def source_or_default(self) -> str:
        """The setting, else the source of this login in the county's file, else one derived from the login."""
        return self.source or find_source(self.login, self.county) or DEFAULT_SOURCE.format(login=self.login)


class HttpSettings(CommonSettings):
    """HTTP access of a municipal system; the token identifies the system."""

    notices_api_url: str = Field(description="https://host of notices over HTTP")
    notices_api_token: SecretStr = Field(description="token for notices over HTTP")

    @field_validator("notices_api_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return normalize_url(value)

    @field_validator("notices_api_token")
    @classmethod
    def _fits_into_a_header(cls, value: SecretStr) -> SecretStr:
        if not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("must be one word of printable ASCII, as `kreisfunk tokens create` printed it")
        return value


_TOKEN = re.compile(r"[\x21-\x7e]{1,500}")


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


def find_source(login: str, county_file: Path) -> str | None:
    """Return the first source of a login in the county's file, or None if the file cannot be read."""
    try:
        known = read_configuration(county_file, Configuration)
    except ConfigurationError:
        return None
    system = known.find_system(login)
    return system.sources[0] if system else None


def read_publisher_settings(stack: RunningStack | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings of the local stack if there is one; ends the command with status 2 if something is missing."""
    with use_environment(stack.addresses.publisher if stack else environment):
        return read_settings(Settings)
