"""Who publishes, and to which broker."""

from collections.abc import Mapping

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from yarl import URL

from cli.stacks import RunningStack, environment_of
from deploy.local.environments import CONFIG
from shared.municipal.configuration import Configuration
from shared.municipal.file import ConfigurationFileError, read_configuration
from shared.runtime.settings import PREFIX, read_settings

UNLISTED = "urn:kreisfunk:{login}"


class Settings(BaseSettings):
    """Access of a municipal system; the login is the user in `broker_url`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    broker_url: str = Field(description="amqp://login@host:port/vhost", pattern=r"^amqps?://[^@/:]+(:[^@/]*)?@")
    broker_password: SecretStr | None = Field(None, description="password of the broker login")
    source: str | None = Field(None, description="CloudEvents source that belongs to the login")

    @property
    def login(self) -> str:
        return URL(self.broker_url).user or ""

    @property
    def broker_secret(self) -> str | None:
        return self.broker_password.get_secret_value() if self.broker_password else None

    @property
    def source_or_usual(self) -> str:
        """The setting, else what the county's file says about this login."""
        return self.source or listed_source(self.login) or UNLISTED.format(login=self.login)


def listed_source(login: str) -> str | None:
    """The first source of a login in the county's file, if that file is at hand."""
    try:
        known = read_configuration(CONFIG / "county.toml", Configuration)
    except ConfigurationFileError:
        return None
    system = known.system(login)
    return system.sources[0] if system else None


def publisher_settings(stack: RunningStack | None, environment: Mapping[str, str]) -> Settings:
    """Of a local stack if there is one; ends the command with status 2 if something is missing."""
    with environment_of(stack.addresses.publisher if stack else environment):
        return read_settings(Settings)
