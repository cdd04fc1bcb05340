"""What the tap finds wrong in a message, and whose messages it looks at."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.events import NoticeAccepted, NoticeRejected
from shared.contracts.message import Message
from shared.contracts.registry import MESSAGES
from tests.contract.asyncapi import EXCHANGE_OF, keys_of
from tests.contract.schemas import EXAMPLES
from tests.tap import ContractBrokenError, Published, judge, problems

ACCEPTED = NoticeAccepted(source="/x", event="1", notice="n", revision=1)
PROPERTIES = {"content_type": CONTENT_TYPE, "delivery_mode": 2}


def event(message: Message = ACCEPTED, source: str = "/kreisfunk/subscriptions") -> bytes:
    return encode(message, event_id="e", source=source, time=datetime.now(UTC))


def published(body: bytes, **changed: Any) -> Published:
    usual = {"exchange": topology.EVENTS, "key": ACCEPTED.KEY, "login": "subscriptions", "properties": PROPERTIES}
    return Published(**{**usual, "body": body, **changed})


def with_data(**changed: object) -> bytes:
    parsed = json.loads(event())
    return json.dumps({**parsed, "data": {**parsed["data"], **changed}}).encode()


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_passes_wherever_it_travels(name: str) -> None:
    body = (EXAMPLES / f"{name}.json").read_bytes()
    for key in keys_of(MESSAGES[name]):
        judge([published(body, exchange=EXCHANGE_OF[MESSAGES[name].__module__], key=key)])


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (published(b"no JSON"), "no contract has this type"),
        (published(event().replace(b"accepted.v1", b"accepted.v9")), "no contract has this type"),
        (published(event(NoticeRejected(source="/x", event="1", problems=()))), "no channel of the AsyncAPI document"),
        (published(event(source="/kreisfunk/dispatcher")), "/kreisfunk/dispatcher is not said to send it"),
        (published(with_data(revision="1")), "'1' is not of type 'integer'"),
        (published(with_data(costs={"utility": "1,5"})), "'1,5' does not match"),
        (published(event(), properties={"delivery_mode": 2}), "content type"),
        (published(event(), properties={"content_type": CONTENT_TYPE, "delivery_mode": 1}), "not persistent"),
        (published(with_data(revision=[]), login="guest"), "is not of type 'integer'"),
    ],
)
def test_what_is_not_as_described_is_told_once_with_its_number(message: Published, told: str) -> None:
    with pytest.raises(ContractBrokenError, match="2 times: ") as broken:
        judge([message, published(event()), message])
    assert told in str(broken.value)


def test_what_tests_publish_in_other_names_is_not_looked_at() -> None:
    strange = (b"no JSON", event(source="/landkreis/pressestelle"), with_data(revision="1").replace(b"/kreisfunk", b""))
    assert [problem for body in strange for problem in problems(published(body, login="guest"))] == []
