"""Settings of the ingress."""

from typing import Annotated

from pydantic import Field, SecretStr

from shared.runtime.encryption_settings import EncryptionSettings
from shared.runtime.settings import BrokerAccess, Port, ServiceSettings, require_word, validate_with

MAX_APP_SECRETS = 2


def _parse_secrets(text: str) -> tuple[bytes, ...]:
    secrets = [part.strip() for part in text.split(",") if part.strip()]
    if not 0 < len(secrets) <= MAX_APP_SECRETS:
        raise ValueError("expected one or two secrets")
    for secret in secrets:
        require_word(secret)
    return tuple(map(str.encode, secrets))


class Settings(ServiceSettings, EncryptionSettings, BrokerAccess):
    """Settings, all validated at startup, so that a wrong key fails before the first webhook."""

    listen_host: str = Field("0.0.0.0", description="where the webhook listens")  # noqa: S104 - the public port
    listen_port: Port = Field(8080, description="port of the webhook")
    app_secrets: Annotated[SecretStr, validate_with(_parse_secrets)] = Field(
        description="Meta's app secret; two, comma separated, in a rotation"
    )
    verify_token: SecretStr = Field(min_length=8, description="the token that Meta repeats in its handshake")
    phone_number_id: str = Field(pattern=r"^[0-9]{5,30}$", description="Meta's id of our number")
    waba_id: str | None = Field(
        None, pattern=r"^[0-9]{5,30}$", description="Meta's id of our account; events of others are then ignored"
    )

    @property
    def app_secret_values(self) -> tuple[bytes, ...]:
        return _parse_secrets(self.app_secrets.get_secret_value())
