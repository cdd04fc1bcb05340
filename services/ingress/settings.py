"""What the ingress is told from outside."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from yarl import URL

from shared.runtime.settings import Port, ServiceSettings
from shared.sealing import IndexKey, KeyRing

MOST_APP_SECRETS = 2


class Settings(ServiceSettings):
    """Checked as a whole at the start, so that a wrong key does not wait for the first webhook."""

    listen_host: str = Field("0.0.0.0", description="where the webhook listens")  # noqa: S104 - the public port
    listen_port: Port = Field(8080, description="port of the webhook")
    app_secrets: SecretStr = Field(description="Meta's app secret; two, comma separated, in a rotation")
    verify_token: SecretStr = Field(min_length=8, description="the token that Meta repeats in its handshake")
    phone_number_id: str = Field(pattern=r"^[0-9]{5,30}$", description="Meta's id of our number")
    waba_id: str | None = Field(
        None, pattern=r"^[0-9]{5,30}$", description="Meta's id of our account; what it says of others is then ignored"
    )
    sealing_keys: SecretStr = Field(description="VERSION:BASE64 of 32 bytes, comma separated")
    index_key: SecretStr = Field(description="base64 of 32 bytes")
    door_host: str = Field("127.0.0.1", description="where notices over HTTP are taken in; never a public address")
    door_port: Port | None = Field(None, description="port of notices over HTTP; without it there are none")
    door_tokens_file: Path = Field(
        Path(".local/tokens.json"), description="tokens of municipal systems, written by `kreisfunk tokens`"
    )
    door_requests_per_minute: int = Field(600, ge=1, le=60_000, description="most requests of one token")
    door_proxies: str = Field("", description="networks of proxies whose X-Forwarded-For is believed, comma separated")
    county_file: Path = Field(Path("deploy/config/county.toml"), description="topics and who may publish")

    @field_validator("app_secrets")
    @classmethod
    def _one_or_two(cls, value: SecretStr) -> SecretStr:
        if not 0 < len(_secrets(value)) <= MOST_APP_SECRETS:
            raise ValueError("expected one or two secrets")
        return value

    @field_validator("sealing_keys")
    @classmethod
    def _is_key_ring(cls, value: SecretStr) -> SecretStr:
        KeyRing.parse(value.get_secret_value())
        return value

    @field_validator("index_key")
    @classmethod
    def _is_index_key(cls, value: SecretStr) -> SecretStr:
        IndexKey.parse(value.get_secret_value())
        return value

    @field_validator("door_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        _networks(value)
        return value

    @property
    def door_proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return _networks(self.door_proxies)

    @property
    def login(self) -> str:
        """The user in `broker_url`."""
        return URL(self.broker_url).user or ""

    @property
    def app_secret_values(self) -> tuple[bytes, ...]:
        return _secrets(self.app_secrets)


def _secrets(value: SecretStr) -> tuple[bytes, ...]:
    parts = value.get_secret_value().split(",")
    return tuple(part.strip().encode() for part in parts if part.strip())


def _networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
