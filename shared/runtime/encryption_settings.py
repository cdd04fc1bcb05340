"""Settings of encryption keys; services without keys do not import this module."""

from typing import Annotated

from pydantic import Field, SecretStr

from shared.encryption import BlindIndexKey, KeyRing
from shared.runtime.settings import EnvironmentSettings, validate_with


class EncryptionSettings(EnvironmentSettings):
    """Keys of a process that encrypts or decrypts addresses; invalid ones fail at startup, not at first use."""

    encryption_keys: Annotated[SecretStr, validate_with(KeyRing.parse)] = Field(
        description="VERSION:BASE64 of 32 bytes, comma separated"
    )
    index_key: Annotated[SecretStr, validate_with(BlindIndexKey.parse)] = Field(
        description="base64 of 32 bytes for each link; two, comma separated, in a rotation"
    )

    @property
    def ring(self) -> KeyRing:
        return KeyRing.parse(self.encryption_keys.get_secret_value())

    @property
    def index(self) -> BlindIndexKey:
        return BlindIndexKey.parse(self.index_key.get_secret_value())
