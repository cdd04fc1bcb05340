"""Settings of backup and restore: the database's owner, and the key of backups."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.stacks import DATABASE_URL, find_stack, use_environment
from shared.runtime.settings import PREFIX, read_settings


class Settings(BaseSettings):
    """Access of the database's owner, as of `kreisfunk migrate`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: str = Field(description="postgresql://owner@host:port/name", pattern=r"^postgres(ql)?://")
    database_password: SecretStr | None = Field(None, description="password of the database's owner")
    backup_key: SecretStr | None = Field(None, description="base64 of 32 bytes, which encrypts backups")

    @property
    def database_secret(self) -> str | None:
        return self.database_password.get_secret_value() if self.database_password else None

    @property
    def backup_secret(self) -> str:
        return self.backup_key.get_secret_value() if self.backup_key else ""


def read_backup_settings(stack: Path | None) -> Settings:
    """Read the settings of the local stack if there is one; ends the command with status 2 if something is missing."""
    found = find_stack(stack, os.environ, DATABASE_URL)
    environment: Mapping[str, str] = os.environ
    if found:
        secrets = str(found.folder / "secrets" / "admin")
        environment = {DATABASE_URL: found.addresses.database_url, f"{PREFIX}SECRETS_DIR": secrets}
    with use_environment(environment):
        return read_settings(Settings)
