"""Settings of the newsroom; it has no key to decrypt recipients' addresses."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from services.newsroom.domain.identity import ProviderClient, is_private_address
from services.newsroom.domain.login import SessionLimits
from shared.encryption import KeyRing
from shared.runtime.client_address import Network, parse_networks
from shared.runtime.settings import DatabaseSettings, NoticesApiAccess, NoticesApiUrl, Port, validate_with


class Settings(DatabaseSettings, NoticesApiAccess):
    """Settings, all validated at startup."""

    newsroom_host: str = Field("127.0.0.1", description="where the newsroom listens; never a public address")
    newsroom_port: Port = Field(8082, description="port of the newsroom")
    newsroom_url: str = Field(
        "http://127.0.0.1:8082",
        pattern=r"^https?://[^/?#@\s]+$",
        description="URL of the newsroom for browsers, without a path",
    )
    newsroom_proxies: Annotated[str, validate_with(parse_networks)] = Field(
        "", description="networks of proxies whose X-Forwarded-For is trusted, comma separated"
    )
    newsroom_assets: Path = Field(
        Path(".local/newsroom-assets"),
        description="folder of the design system KERN",
    )
    newsroom_keys: Annotated[SecretStr, validate_with(KeyRing.parse)] = Field(
        description="VERSION:BASE64 of 32 bytes, comma separated, for one-time codes and logins"
    )
    newsroom_idle_minutes: int = Field(60, ge=5, le=720, description="maximum time of a session without a request")
    newsroom_session_hours: int = Field(12, ge=1, le=24, description="maximum lifetime of a session")
    oidc_issuer: str = Field(
        "",
        description="address of the identity provider",
    )
    oidc_client_id: str = Field("", description="client id of the newsroom at the identity provider")
    oidc_client_secret: SecretStr | None = Field(None, description="secret of the newsroom at the identity provider")
    oidc_level: str = Field("", description="`acr` that its answers must contain")
    oidc_label: str = Field(
        "Mit dem Konto des Landkreises anmelden", min_length=1, max_length=60, description="label of its login button"
    )
    archive_host: str = Field("127.0.0.1", description="where the public archive listens")
    archive_port: Port = Field(8083, description="port of the public archive")
    archive_url: str = Field(
        "http://127.0.0.1:8083",
        pattern=r"^https?://[^/?#@\s]+$",
        description="public URL of the archive, without a path",
    )
    archive_phone: str = Field(
        "",
        pattern=r"^(\+[1-9][0-9 ]{6,20})?$",
        description="WhatsApp number as citizens read it, such as +49 4791 9300",
    )
    archive_days: int = Field(365, ge=1, le=3_650, description="older notices are not in the archive")
    archive_event_topics: str = Field(
        "veranstaltungen", description="topics whose notices are events for search engines, comma separated"
    )
    notices_api_url: NoticesApiUrl = Field("http://127.0.0.1:8081", description="the notices API")
    county_file: FilePath = Field(
        Path("deploy/config/county.toml"),
        validate_default=True,
        description="topics, municipalities, prices, who may publish",
    )
    newsroom_rules_file: FilePath = Field(
        Path("deploy/config/newsroom.toml"), validate_default=True, description="rules for approval by a second person"
    )
    templates_file: FilePath = Field(
        Path("deploy/config/templates.json"), validate_default=True, description="templates, for the preview"
    )
    newsroom_system: str = Field("redaktion", description="municipal system whose token the newsroom has")

    @field_validator("oidc_issuer")
    @classmethod
    def _is_private(cls, value: str) -> str:
        if value and (not is_private_address(value) or "?" in value or "#" in value):
            raise ValueError("expected https://host/path, without a query")
        return value

    @model_validator(mode="after")
    def _is_known_to_issuer(self) -> "Settings":
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("KREISFUNK_OIDC_ISSUER needs KREISFUNK_OIDC_CLIENT_ID")
        return self

    @property
    def ring(self) -> KeyRing:
        return KeyRing.parse(self.newsroom_keys.get_secret_value())

    @property
    def proxy_networks(self) -> tuple[Network, ...]:
        return parse_networks(self.newsroom_proxies)

    @property
    def event_topics(self) -> frozenset[str]:
        return frozenset(topic.strip() for topic in self.archive_event_topics.split(",") if topic.strip())

    @property
    def provider_client(self) -> ProviderClient | None:
        """Return the registration at the identity provider, None without one."""
        if not self.oidc_issuer:
            return None
        secret = self.oidc_client_secret
        return ProviderClient(
            issuer=self.oidc_issuer,
            client_id=self.oidc_client_id,
            secret=secret.get_secret_value() if secret else None,
            origin=self.newsroom_url,
            level=self.oidc_level,
        )

    @property
    def session_limits(self) -> SessionLimits:
        return SessionLimits(
            idle=timedelta(minutes=self.newsroom_idle_minutes), total=timedelta(hours=self.newsroom_session_hours)
        )
