"""Settings for the quarantine: a broker login that reads only it, and the keys to decrypt it."""

from collections.abc import Mapping

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.stacks import RunningStack, use_environment
from shared.encryption import BlindIndexKey, KeyRing
from shared.runtime.settings import PREFIX, read_settings


class Settings(BaseSettings):
    """Quarantine settings; without keys, items can be listed and dropped, not shown."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    broker_url: str = Field(description="amqp://quarantine@host:port/vhost", pattern=r"^amqps?://")
    broker_password: SecretStr | None = Field(None, description="password of the broker login")
    encryption_keys: SecretStr | None = Field(None, description="VERSION:BASE64 of 32 bytes, to show and to replay")
    index_key: SecretStr | None = Field(None, description="as the ingress has it, to replay")
    phone_number_id: str | None = Field(None, description="Meta's id of our number, to replay")
    waba_id: str | None = Field(None, description="Meta's id of our account, as the ingress has it")

    @field_validator("encryption_keys")
    @classmethod
    def _is_key_ring(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            KeyRing.parse(value.get_secret_value())
        return value

    @field_validator("index_key")
    @classmethod
    def _is_index_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            BlindIndexKey.parse(value.get_secret_value())
        return value

    @property
    def broker_secret(self) -> str | None:
        return self.broker_password.get_secret_value() if self.broker_password else None

    @property
    def ring(self) -> KeyRing | None:
        return KeyRing.parse(self.encryption_keys.get_secret_value()) if self.encryption_keys else None

    @property
    def index(self) -> BlindIndexKey | None:
        return BlindIndexKey.parse(self.index_key.get_secret_value()) if self.index_key else None


def read_quarantine_settings(stack: RunningStack | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings of the local stack if there is one; ends the command with status 2 if something is missing."""
    with use_environment(stack.addresses.quarantine if stack else environment):
        return read_settings(Settings)
