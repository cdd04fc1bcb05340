"""Settings of the dispatcher, valid and invalid."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from services.dispatcher.settings import Settings

KEY = base64.b64encode(bytes(32)).decode()


def read(**given: Any) -> Settings:
    environment: dict[str, Any] = {
        "broker_url": "amqp://127.0.0.1",
        "database_url": "postgresql://127.0.0.1",
        "graph_token": "t",
        "phone_number_id": "700800900100200",
        "encryption_keys": f"1:{KEY}",
        "index_key": KEY,
    }
    return Settings(**{**environment, **given})


@pytest.mark.parametrize("name", ["people_per_day", "messages_per_month", "messages_per_second"])
@pytest.mark.parametrize("number", ["1.000", "50.000", "1.000.000"])
def test_dots_for_thousands_are_refused(name: str, number: str) -> None:
    with pytest.raises(ValidationError, match="without dots"):
        read(**{name: number})


def test_a_fraction_is_no_thousand() -> None:
    assert read(drain_seconds="0.250").drain_seconds == 0.25


@pytest.mark.parametrize("url", ["http://graph.example", "http://10.0.0.7:8090", "http://simulator.example"])
def test_the_token_and_numbers_do_not_go_unencrypted_to_another_host(url: str) -> None:
    with pytest.raises(ValidationError, match="must begin with https"):
        read(graph_url=url)


@pytest.mark.parametrize(
    "url",
    ["https://graph.facebook.com", "http://127.0.0.1:8090", "http://[::1]:1", "http://localhost", "http://simulator"],
)
def test_they_go_to_meta_to_ourselves_and_to_the_simulator(url: str) -> None:
    assert read(graph_url=url).number_url.startswith(url)


@pytest.mark.parametrize(
    ("rate", "given", "requests"), [(5, None, 64), (80, None, 320), (1000, None, 4000), (3000, None, 4000), (80, 7, 7)]
)
def test_requests_in_flight_follow_from_the_rate(rate: float, given: int | None, requests: int) -> None:
    assert read(messages_per_second=rate, connections=given).max_requests == requests


@pytest.mark.parametrize("token", ["", "two\nlines", "two words", "\ufeffwith-a-bom", "with-a-nul\0"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValidationError, match="must be one word") as refused:
        read(graph_token=token)
    assert token == "" or token not in str(refused.value)


@pytest.mark.parametrize("name", ["people_per_day", "messages_per_month"])
def test_a_limit_that_the_database_cannot_hold_is_refused(name: str) -> None:
    read(**{name: 2**31 - 1})
    with pytest.raises(ValidationError):
        read(**{name: 2**31})
