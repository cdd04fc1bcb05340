"""The keys of addresses, as two services read them; no module of a service without keys imports this."""

from pydantic import Field, SecretStr, field_validator

from shared.encryption import BlindIndexKey, KeyRing
from shared.runtime.settings import ServiceSettings


class EncryptionSettings(ServiceSettings):
    """A service that seals or opens addresses; wrong keys do not wait for the first one."""

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
