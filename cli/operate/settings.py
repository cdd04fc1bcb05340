"""Settings of an operator: the ledger's URL, and the role."""

from collections.abc import Mapping

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.stacks import RunningStack, use_environment
from shared.runtime.settings import PREFIX, read_settings


class Settings(BaseSettings):
    """Access of an operator; the role cannot read addresses and changes data only through functions made for it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: str = Field(
        description="postgresql://kreisfunk_operator@host:port/name", pattern=r"^postgres(ql)?://"
    )
    database_password: SecretStr | None = Field(None, description="password of the database role")

    @property
    def database_secret(self) -> str | None:
        return self.database_password.get_secret_value() if self.database_password else None


def read_operator_settings(stack: RunningStack | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings of the local stack if there is one; ends the command with status 2 if something is missing."""
    with use_environment(stack.addresses.operator if stack else environment):
        return read_settings(Settings)
