"""The county's file, and the broker administrator's settings for creating logins."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.output import EXIT_USAGE, fail
from cli.stacks import find_stack, use_environment
from deploy.paths import CONFIG
from shared.notices.config import ConfigurationError, read_configuration
from shared.notices.configuration import Configuration
from shared.runtime.settings import PREFIX, read_settings

BROKER_API_URL = f"{PREFIX}BROKER_API_URL"


class Settings(BaseSettings):
    """Access of a broker administrator."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    broker_url: str = Field(description="amqp://admin@host:port/vhost", pattern=r"^amqps?://")
    broker_password: SecretStr = Field(description="password of the broker's administrator")
    broker_api_url: HttpUrl = Field(description="http://host:15672, RabbitMQ's management interface")
    county_file: Path | None = Field(None, description="the county's file, unless it is the one of this version")


def find_broker(stack: Path | None) -> Settings:
    """Read the settings of the environment, else of a running local stack; ends the command without either."""
    found = find_stack(stack, os.environ, BROKER_API_URL)
    with use_environment(found.addresses.systems if found else os.environ):
        return read_settings(Settings)


def resolve_county_file(named: Path | None, environment: Mapping[str, str]) -> Path:
    """Return the named file, else the installation's, else the one of this version."""
    return named or Path(environment.get(f"{PREFIX}COUNTY_FILE") or CONFIG / "county.toml")


def read_county(file: Path) -> Configuration:
    """Read the county's file; ends the command if that fails."""
    try:
        return read_configuration(file, Configuration)
    except ConfigurationError as error:
        fail(str(error), f"{PREFIX}COUNTY_FILE names the county's file.", EXIT_USAGE)
