"""Properties that a stranger has written are read as far as they can be."""

from typing import Any

import pika  # type: ignore[import-untyped]  # it has no types
import pytest
from pamqp.commands import Basic

from shared.amqp import connection
from shared.amqp.connection import MAX_FIELDS, MAX_NESTED_BYTES
from shared.amqp.consumer import MAX_HEADER_BYTES, MAX_HEADERS, limit_headers

NO_TEXT = b"\xff\xfe"


@pytest.fixture(autouse=True)
def usual_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process with these tests, the recorder of messages may read everything just now."""
    monkeypatch.setattr(connection, "MAX_FIELDS", MAX_FIELDS)
    monkeypatch.setattr(connection, "MAX_NESTED_BYTES", MAX_NESTED_BYTES)


def read(**written: Any) -> Basic.Properties:
    """As it comes from a broker, which looks at no text."""
    data = b"".join(pika.BasicProperties(**written).encode())
    properties = Basic.Properties()
    properties.unmarshal(int.from_bytes(data[:2], "big"), data[2:])
    return properties


@pytest.mark.parametrize(
    "headers",
    [
        {f"{number:x}": None for number in range(MAX_FIELDS + 1)},
        {f"{number:x}": "x" for number in range(MAX_FIELDS + 1)},
        {"ce-id": "1", "x": [None] * 10_000},
        {"ce-id": "1", "x": {f"{number:x}": None for number in range(4_000)}},
        {"x": [[None] * 5_000], "y": [[None] * 5_000]},
    ],
    ids=["many fields", "many texts", "a long array", "a large table", "two halves"],
)
def test_a_table_that_takes_long_to_read_is_left_out(headers: dict[str, Any]) -> None:
    """It is read where citizens are answered."""
    found = read(headers=headers, user_id="u")
    assert (found.headers, found.user_id) == (None, "u")


def test_a_table_with_all_that_we_write_is_read() -> None:
    filling = {f"{number}": "x" * (MAX_HEADER_BYTES // MAX_HEADERS - 8) for number in range(MAX_HEADERS)}
    assert limit_headers(filling) == filling
    deaths = [{"count": 1, "queue": "q" * 200, "reason": "expired", "exchange": "e", "routing-keys": ["k"]}] * 4
    headers = {**filling, "attempt": 3, "reason": "r" * 200, "x-death": deaths}
    assert read(headers=headers).headers == headers


def test_a_header_that_is_too_long_leaves_room_for_the_others() -> None:
    attributes = {f"cloudEvents:{number}": "x" * 50 for number in range(10)}
    limited = limit_headers({"baggage": "x" * MAX_HEADER_BYTES, **attributes, "more": "x" * (MAX_HEADER_BYTES - 500)})
    assert limited == attributes


def test_a_header_whose_name_is_too_long_is_left_out() -> None:
    assert limit_headers({"ä" * 65: "x", "ä" * 64: "y"}) == {"ä" * 64: "y"}


def test_what_is_right_is_read() -> None:
    found = read(content_type="a/b", headers={"x": 1}, delivery_mode=2, message_id="i", timestamp=9, user_id="u")
    assert (found.content_type, found.headers, found.delivery_mode, found.message_id) == ("a/b", {"x": 1}, 2, "i")
    assert found.timestamp is not None
    assert (found.timestamp.timestamp(), found.user_id, found.priority) == (9, "u", None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content_type", NO_TEXT),
        ("headers", {NO_TEXT: "x"}),
        ("headers", {"x": {NO_TEXT: "y"}}),
        ("delivery_mode", 77),
        ("message_id", NO_TEXT),
        ("timestamp", 2**63),
        ("app_id", NO_TEXT),
    ],
)
def test_what_is_wrong_is_left_out_and_the_rest_is_read(name: str, value: object) -> None:
    found = read(**{"correlation_id": "c", "user_id": "u", name: value})
    assert (found.correlation_id, getattr(found, name), found.user_id) == ("c", None, "u")
