"""Settings of the ingress."""

from pydantic import Field, SecretStr, field_validator

from shared.runtime.encryption_settings import EncryptionSettings
from shared.runtime.settings import BrokerAccess, Port

MAX_APP_SECRETS = 2


class Settings(EncryptionSettings, BrokerAccess):
    """Settings, all validated at startup, so that a wrong key fails before the first webhook."""

    listen_host: str = Field("0.0.0.0", description="where the webhook listens")  # noqa: S104 - the public port
    listen_port: Port = Field(8080, description="port of the webhook")
    app_secrets: SecretStr = Field(description="Meta's app secret; two, comma separated, in a rotation")
    verify_token: SecretStr = Field(min_length=8, description="the token that Meta repeats in its handshake")
    phone_number_id: str = Field(pattern=r"^[0-9]{5,30}$", description="Meta's id of our number")
    waba_id: str | None = Field(
        None, pattern=r"^[0-9]{5,30}$", description="Meta's id of our account; events of others are then ignored"
    )

    @field_validator("app_secrets")
    @classmethod
    def _one_or_two(cls, value: SecretStr) -> SecretStr:
        if not 0 < len(_split_secrets(value)) <= MAX_APP_SECRETS:
            raise ValueError("expected one or two secrets")
        return value

    @property
    def app_secret_values(self) -> tuple[bytes, ...]:
        return _split_secrets(self.app_secrets)


def _split_secrets(value: SecretStr) -> tuple[bytes, ...]:
    parts = value.get_secret_value().split(",")
    return tuple(part.strip().encode() for part in parts if part.strip())
