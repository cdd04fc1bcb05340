"""Settings and approval rules that are refused at startup, rather than when somebody logs in or writes."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.paths import CONFIG
from services.newsroom.adapters.config_files import read_approval_rules
from services.newsroom.settings import Settings
from shared.notices.configuration import ConfigurationError
from tests.factories.editors import COUNTY

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


def test_rules_on_a_topic_that_the_county_does_not_have_are_refused(tmp_path: Path) -> None:
    rules = tmp_path / "newsroom.toml"
    rules.write_text((CONFIG / "newsroom.toml").read_text().replace('"stellen"', '"wetter"'))
    with pytest.raises(ConfigurationError, match="unknown topics wetter"):
        read_approval_rules(rules, COUNTY)
