"""The settings of all commands but `doctor`, `feeds` and `setup`, which read those of services, too."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings

from cli.output import Exit, fail
from cli.stacks import find_stack, read_settings_from
from deploy.paths import CONFIG
from deploy.stack_file import StackAddresses
from shared.encryption import BlindIndexKey, KeyRing
from shared.notices.configuration import Configuration, ConfigurationError, System, read_configuration
from shared.runtime.encryption_settings import EncryptionSettings
from shared.runtime.settings import (
    PREFIX,
    BrokerAccess,
    BrokerUrl,
    DatabaseAccess,
    DatabaseUrl,
    EnvironmentSettings,
    NoticesApiAccess,
    validate_with,
)

BROKER_API_URL = f"{PREFIX}BROKER_API_URL"
TOKENS_FILE = f"{PREFIX}NOTICES_API_TOKENS_FILE"
NOTICES_API_URL = f"{PREFIX}NOTICES_API_URL"
S = TypeVar("S", bound=BaseSettings)


def build_database_url_field(role: str) -> Any:
    return Field(description=f"postgresql://{role}@host:port/name", pattern=r"^postgres(ql)?://")


class OperatorSettings(DatabaseAccess):
    """Access of an operator; the role cannot read addresses and changes data only through functions made for it."""

    database_url: DatabaseUrl = build_database_url_field("kreisfunk_operator")


class AccountSettings(DatabaseAccess):
    database_url: DatabaseUrl = build_database_url_field("kreisfunk_newsroom")


class BackupSettings(DatabaseAccess):
    """Access of the database's owner, as of `kreisfunk migrate`, and the key of backups."""

    database_url: DatabaseUrl = build_database_url_field("owner")
    database_password: SecretStr | None = Field(None, description="password of the database's owner")
    backup_key: SecretStr | None = Field(None, description="base64 of 32 bytes, which encrypts backups")

    @property
    def backup_secret(self) -> str:
        return self.backup_key.get_secret_value() if self.backup_key else ""


class BrokerAdminSettings(BrokerAccess):
    broker_url: BrokerUrl = Field(
        description="amqp://admin@host:port/vhost; host:port,host:port for a cluster", pattern=r"^amqps?://"
    )
    broker_password: SecretStr = Field(description="password of the broker's administrator")
    broker_api_url: HttpUrl = Field(description="http://host:15672, RabbitMQ's management interface")
    county_file: Path | None = Field(None, description="the county's file, unless it is the one of this version")

    @property
    def county(self) -> Path:
        return self.county_file or CONFIG / "county.toml"


class MigrationSettings(BrokerAdminSettings, DatabaseAccess):
    """Access of an administrator, which no service has."""

    database_url: DatabaseUrl = Field(
        description="postgresql://owner@host:port/name; host:port,host:port with replicas", pattern=r"^postgres"
    )
    database_password: SecretStr = Field(description="password of the database's owner")
    login_passwords: dict[str, SecretStr] = Field(description="JSON: password of each broker login and database role")
    database_standbys: int = Field(
        0,
        ge=0,
        le=20,
        description="synchronous standbys of the database",
    )


class RotationSettings(DatabaseAccess, EncryptionSettings):
    """A database role that reads addresses and their hashes and nothing else, and the keys."""

    database_url: DatabaseUrl = build_database_url_field("kreisfunk_rotation")


class QuarantineSettings(BrokerAccess):
    """A broker login that reads only the quarantine; without keys, items can be listed and dropped, not shown."""

    broker_url: BrokerUrl = Field(description="amqp://quarantine@host:port/vhost", pattern=r"^amqps?://")
    # Defaults are validated, too.
    encryption_keys: Annotated[SecretStr | None, validate_with(lambda text: text and KeyRing.parse(text))] = Field(
        None, description="VERSION:BASE64 of 32 bytes, to show and to replay"
    )
    index_key: Annotated[SecretStr | None, validate_with(lambda text: text and BlindIndexKey.parse(text))] = Field(
        None, description="as the ingress has it, to replay"
    )
    phone_number_id: str | None = Field(None, description="Meta's id of our number, to replay")
    waba_id: str | None = Field(None, description="Meta's id of our account, as the ingress has it")

    @property
    def ring(self) -> KeyRing | None:
        return KeyRing.parse(self.encryption_keys.get_secret_value()) if self.encryption_keys else None

    @property
    def index(self) -> BlindIndexKey | None:
        return BlindIndexKey.parse(self.index_key.get_secret_value()) if self.index_key else None


class TokenSettings(EnvironmentSettings):
    """The settings that the notices API reads, too."""

    notices_api_tokens_file: Path = Field(description="tokens of municipal systems, which the notices API reads")
    county_file: Path = Field(
        Path("deploy/config/county.toml"), description="topics, municipalities, prices, who may publish"
    )


class PublisherSettings(NoticesApiAccess):
    """Access of a municipal system to the notices API, and its source."""

    source: str | None = Field(None, description="CloudEvents source; usually that of the token's system")


def read_installation_settings(
    settings_type: type[S], stack: Path | None, setting: str, pick: Callable[[StackAddresses], Mapping[str, str]]
) -> S:
    """Read the settings of the environment if it has `setting`, else what `pick` returns of a running local stack.

    Ends the command with status 2 if something is missing.
    """
    running = find_stack(stack, os.environ, setting)
    return read_settings_from(pick(running) if running else os.environ, settings_type)


def read_county(file: Path) -> Configuration:
    """Read the county's file; ends the command with status 2 if that fails."""
    try:
        return read_configuration(file, Configuration)
    except ConfigurationError as error:
        fail(str(error), "KREISFUNK_COUNTY_FILE names the county's file.", Exit.USAGE)


def require_system(county: Configuration, name: str, advice: str = "See `kreisfunk systems add`.") -> System:
    """Return the registered system; ends the command with status 2 if no system has this name."""
    system = county.find_system(name)
    if system is None:
        names = ", ".join(registered.name for registered in county.systems) or "(none)"
        fail(f"There is no system {name}.", f"The county's file has {names}. {advice}", Exit.USAGE)
    return system
