"""Settings for key rotation: a database role that reads addresses and nothing else, and the keys."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.encryption import BlindIndexKey, KeyRing
from shared.runtime.settings import PREFIX


class Settings(BaseSettings):
    """Settings for `keys rotate`; read by shared.runtime.settings.read_settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: str = Field(
        description="postgresql://kreisfunk_rotation@host:port/name", pattern=r"^postgres(ql)?://"
    )
    database_password: SecretStr | None = Field(None, description="password of the database role")
    encryption_keys: SecretStr = Field(description="VERSION:BASE64 of 32 bytes, the old and the new ones")

    @field_validator("encryption_keys")
    @classmethod
    def _readable(cls, value: SecretStr) -> SecretStr:
        KeyRing.parse(value.get_secret_value())
        return value

    @property
    def ring(self) -> KeyRing:
        return KeyRing.parse(self.encryption_keys.get_secret_value())

    @property
    def database_secret(self) -> str | None:
        return self.database_password.get_secret_value() if self.database_password else None


class IndexSettings(Settings):
    """Settings for `keys rotate-index`: the index key, too."""

    index_key: SecretStr = Field(description="as the ingress has it")

    @field_validator("index_key")
    @classmethod
    def _is_index_key(cls, value: SecretStr) -> SecretStr:
        BlindIndexKey.parse(value.get_secret_value())
        return value

    @property
    def index(self) -> BlindIndexKey:
        return BlindIndexKey.parse(self.index_key.get_secret_value())
