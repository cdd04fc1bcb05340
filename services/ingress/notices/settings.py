"""Settings of the notices API, which has no encryption key and none of Meta's secrets."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.runtime.client_address import Network, parse_networks
from shared.runtime.settings import BrokerAccess, Port, ServiceSettings, validate_with


class Settings(ServiceSettings, BrokerAccess):
    """Settings, all validated at startup."""

    notices_api_host: str = Field("127.0.0.1", description="where the notices API listens; never a public address")
    notices_api_port: Port = Field(8081, description="port of the notices API")
    notices_api_tokens_file: Path = Field(
        Path(".local/tokens.json"), description="tokens of municipal systems, written by `kreisfunk tokens`"
    )
    notices_api_requests_per_minute: int = Field(
        600, ge=1, le=60_000, description="maximum of requests of one token; each event of a batch counts as one"
    )
    notices_api_proxies: Annotated[str, validate_with(parse_networks)] = Field(
        "", description="networks of proxies whose X-Forwarded-For is trusted, comma separated"
    )
    county_file: Path = Field(
        Path("deploy/config/county.toml"), description="topics, municipalities, prices, who may publish"
    )

    @property
    def notices_api_proxy_networks(self) -> tuple[Network, ...]:
        return parse_networks(self.notices_api_proxies)
