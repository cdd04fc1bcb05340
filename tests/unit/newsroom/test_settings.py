"""Settings of the identity provider, refused at startup rather than at the first login."""

from base64 import b64encode
from typing import Any

import pytest
from pydantic import ValidationError

from services.newsroom.settings import Settings

REQUIRED = {
    "broker_url": "amqp://newsroom@127.0.0.1/",
    "database_url": "postgresql://kreisfunk_newsroom@127.0.0.1/x",
    "newsroom_keys": f"1:{b64encode(bytes(32)).decode()}",
    "notices_api_token": "x",
}
ISSUER = "https://anmeldung.example/realms/landkreis"


def read(**oidc: str) -> Settings:
    values: dict[str, Any] = {**REQUIRED, **oidc}
    return Settings(**values)


@pytest.mark.parametrize(
    "oidc",
    [
        {"oidc_issuer": ISSUER},
        {"oidc_issuer": "http://anmeldung.example/realms/x", "oidc_client_id": "redaktion"},
        {"oidc_issuer": "anmeldung.example", "oidc_client_id": "redaktion"},
        {"oidc_issuer": f"{ISSUER}?x=y", "oidc_client_id": "redaktion"},
        {"oidc_label": "x" * 61},
    ],
    ids=str,
)
def test_what_could_never_let_anybody_in_is_refused(oidc: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        read(**oidc)
