"""Settings of this service."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, FilePath, SecretStr

from shared.encryption import KeyRing, parse_key
from shared.runtime.settings import DatabaseSettings, validate_with


class Settings(DatabaseSettings):
    """Settings of this service, read by shared.runtime.settings.read_settings."""

    county_file: FilePath = Field(
        Path("deploy/config/county.toml"),
        validate_default=True,
        description="topics, municipalities, prices, who may publish",
    )
    feedback_key: Annotated[SecretStr, validate_with(parse_key)] = Field(
        description="base64 of 32 bytes, links people to their feedback"
    )
    dead_letter_keys: Annotated[SecretStr, validate_with(KeyRing.parse)] = Field(
        description="VERSION:BASE64 of 32 bytes, comma separated"
    )
    messages_per_second: float = Field(80, gt=0, le=10_000, description="Meta's limit for our number")

    @property
    def author_key(self) -> bytes:
        return parse_key(self.feedback_key.get_secret_value())

    @property
    def ring(self) -> KeyRing:
        return KeyRing.parse(self.dead_letter_keys.get_secret_value())
