"""Encryption key settings of two services; no module of a service without keys imports this."""

from pydantic import Field, SecretStr, field_validator

from shared.encryption import BlindIndexKey, KeyRing
from shared.runtime.settings import ServiceSettings


class EncryptionSettings(ServiceSettings):
    """Settings of a service that encrypts or decrypts addresses; invalid keys fail at startup, not at first use."""

    encryption_keys: SecretStr = Field(description="VERSION:BASE64 of 32 bytes, comma separated")
    index_key: SecretStr = Field(description="base64 of 32 bytes for each link; two, comma separated, in a rotation")

    @field_validator("encryption_keys")
    @classmethod
    def _is_key_ring(cls, value: SecretStr) -> SecretStr:
        KeyRing.parse(value.get_secret_value())
        return value

    @field_validator("index_key")
    @classmethod
    def _is_index_key(cls, value: SecretStr) -> SecretStr:
        BlindIndexKey.parse(value.get_secret_value())
        return value
