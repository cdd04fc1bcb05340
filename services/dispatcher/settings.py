"""Settings of the dispatcher."""

from typing import Annotated

from pydantic import AfterValidator, Field, HttpUrl, SecretStr

from services.dispatcher.domain.pacing import MAX_CLAIM_SECONDS
from shared.contracts.retention import MAX_DELIVERY_RETENTION_DAYS
from shared.runtime.encryption_settings import EncryptionSettings
from shared.runtime.settings import DatabaseSettings, require_word, validate_with

MAX_COUNT = 2**31 - 1  # of an integer in the database
# This host, and the simulator in Docker Compose.
UNENCRYPTED_HOSTS = ("127.0.0.1", "localhost", "[::1]", "simulator")


def _require_https(value: HttpUrl) -> HttpUrl:
    if value.scheme != "https" and value.host not in UNENCRYPTED_HOSTS:
        raise ValueError("must begin with https: it receives the token and citizens' numbers")
    return value


GraphUrl = Annotated[HttpUrl, AfterValidator(_require_https)]


class Settings(DatabaseSettings, EncryptionSettings):
    """Settings of the dispatcher; docs/guides/operators.md describes each."""

    graph_url: GraphUrl = Field(HttpUrl("https://graph.facebook.com"), description="Meta or a solution provider")
    graph_version: str = Field("v26.0", pattern=r"^v\d+\.\d+$", description="version of Meta's interface")
    graph_token: Annotated[SecretStr, validate_with(require_word)] = Field(description="system user token")
    phone_number_id: str = Field(description="Meta's id of our number", pattern=r"^\d{5,20}$")
    messages_per_second: float = Field(80, gt=0, le=10_000, description="Meta's limit for our number")
    people_per_day: int | None = Field(
        None, gt=0, le=MAX_COUNT, description="Meta's tier: different people in any 24 hours"
    )
    messages_per_month: int | None = Field(
        None, gt=0, le=MAX_COUNT, description="budget: broadcast messages in a month"
    )
    dispatchers: int = Field(
        1, gt=0, description="expected number of dispatchers, for the alert; with compose it is `DISPATCHERS`"
    )
    retention_days: int = Field(
        MAX_DELIVERY_RETENTION_DAYS,
        ge=21,
        le=MAX_DELIVERY_RETENTION_DAYS,
        description=f"days that deliveries are kept; promised: {MAX_DELIVERY_RETENTION_DAYS}",
    )
    unknown_grace_seconds: float = Field(
        300, gt=0, le=86_400, description="wait before a message with unknown outcome is resent"
    )
    connections: int | None = Field(
        None, gt=0, le=20_000, description="maximum of concurrent requests to Meta; derived from the rate if not set"
    )
    request_timeout_seconds: float = Field(20, gt=0, le=120, description="maximum wait for Meta's answer")

    @property
    def max_requests(self) -> int:
        """Return how many requests may be in flight: enough for the rate if answers take at most 4 seconds."""
        return self.connections or max(64, min(4000, int(4 * self.messages_per_second)))

    @property
    def answer_margin_seconds(self) -> float:
        """Return the longest time from a claim to the answer."""
        return MAX_CLAIM_SECONDS + self.request_timeout_seconds

    @property
    def number_url(self) -> str:
        base = str(self.graph_url).rstrip("/")
        return f"{base}/{self.graph_version}/{self.phone_number_id}"
