"""Settings of the commands on accounts: the newsroom's database role."""

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.stacks import DATABASE_URL, find_stack, use_environment
from shared.runtime.settings import PREFIX, read_settings


class Settings(BaseSettings):
    """Access to the newsroom's schema."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: str = Field(
        description="postgresql://kreisfunk_newsroom@host:port/name", pattern=r"^postgres(ql)?://"
    )
    database_password: SecretStr | None = Field(None, description="password of the database role")

    @property
    def database_secret(self) -> str | None:
        return self.database_password.get_secret_value() if self.database_password else None


def read_newsroom_settings(stack: Path | None) -> Settings:
    """Read the settings of the environment's installation, else of a local stack; ends the command without either."""
    found = find_stack(stack, os.environ, DATABASE_URL)
    with use_environment(found.addresses.users if found else os.environ):
        return read_settings(Settings)
