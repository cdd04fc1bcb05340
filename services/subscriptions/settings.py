"""Settings of this service."""

from pathlib import Path

from pydantic import Field, FilePath, SecretStr, field_validator

from shared.runtime.settings import ServiceSettings
from shared.sealing import KeyRing, parse_key


class Settings(ServiceSettings):
    """Read by shared.runtime.settings.read_settings."""

    database_url: str = Field(description="postgresql://role@host:port/db", pattern=r"^postgres(ql)?://")
    database_password: SecretStr | None = Field(None, description="password of the database role")
    county_file: FilePath = Field(
        Path("deploy/config/county.toml"),
        validate_default=True,
        description="the county, its topics and who may publish",
    )
    feedback_key: SecretStr = Field(description="base64 of 32 bytes, leads from a person to their feedback")
    dead_letter_keys: SecretStr = Field(description="VERSION:BASE64 of 32 bytes, comma separated")
    messages_per_second: float = Field(80, gt=0, le=10_000, description="Meta's limit for our number, for estimates")

    @field_validator("feedback_key")
    @classmethod
    def _is_key(cls, value: SecretStr) -> SecretStr:
        parse_key(value.get_secret_value())
        return value

    @field_validator("dead_letter_keys")
    @classmethod
    def _is_key_ring(cls, value: SecretStr) -> SecretStr:
        KeyRing.parse(value.get_secret_value())
        return value

    @property
    def author_key(self) -> bytes:
        return parse_key(self.feedback_key.get_secret_value())

    @property
    def ring(self) -> KeyRing:
        return KeyRing.parse(self.dead_letter_keys.get_secret_value())

    @property
    def database_secret(self) -> str | None:
        return self.database_password.get_secret_value() if self.database_password else None
