"""Encryption key settings of two services; services without keys do not import this module."""

from typing import Annotated

from pydantic import Field, SecretStr

from shared.encryption import BlindIndexKey, KeyRing
from shared.runtime.settings import ServiceSettings, validate_with


class EncryptionSettings(ServiceSettings):
    """Settings of a service that encrypts or decrypts addresses; invalid keys fail at startup, not at first use."""

    encryption_keys: Annotated[SecretStr, validate_with(KeyRing.parse)] = Field(
        description="VERSION:BASE64 of 32 bytes, comma separated"
    )
    index_key: Annotated[SecretStr, validate_with(BlindIndexKey.parse)] = Field(
        description="base64 of 32 bytes for each link; two, comma separated, in a rotation"
    )
