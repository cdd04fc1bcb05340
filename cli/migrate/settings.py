"""Settings of `kreisfunk migrate`."""

from pathlib import Path

from pydantic import Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.paths import CONFIG
from shared.runtime.settings import PREFIX


class Settings(BaseSettings):
    """Access of an administrator, which no service has."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    broker_url: str = Field(
        description="amqp://admin@host:port/vhost; host:port,host:port for a cluster", pattern=r"^amqps?://"
    )
    broker_password: SecretStr = Field(description="password of the broker's administrator")
    broker_api_url: HttpUrl = Field(description="http://host:15672, RabbitMQ's management interface")
    database_url: str = Field(
        description="postgresql://owner@host:port/name; host:port,host:port with replicas", pattern=r"^postgres"
    )
    database_password: SecretStr = Field(description="password of the database's owner")
    login_passwords: dict[str, SecretStr] = Field(
        description="JSON: password for each broker login and database role that is to be able to log in"
    )
    database_standbys: int = Field(
        0,
        ge=0,
        le=20,
        description="synchronous standbys that the database has; with any, asynchronous commits are refused",
    )
    county_file: Path | None = Field(None, description="the county's file, unless it is the one of this version")

    @property
    def county(self) -> Path:
        return self.county_file or CONFIG / "county.toml"
