"""Properties of a municipal message that are made to break whoever reads it, while a citizen writes "Stop"."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pika  # type: ignore[import-untyped]  # it has no types
import pytest

from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE
from shared.contracts.events import NoticeAccepted, NoticeRejected
from tests.factories.citizens import TEXTS
from tests.harness.processes import ServiceProcess
from tests.integration.subscriptions.service_process import (
    BrokerHarness,
    build_current_message,
    build_current_notice,
)

TIMES = 30
NO_TEXT = b"\xff\xfe"
LATEST = 2**63 - 1
DEEP = 2_000
EMOJI = "\U0001f697"
TROUBLES = ("away", "settle_failed", "dead_letter", "Traceback", "aio_pika", "aiormq")


def nested() -> dict[str, Any]:
    table: dict[str, Any] = {}
    for _ in range(DEEP):
        table = {"x": table}
    return table


@pytest.fixture
def deep() -> Iterator[None]:
    """So that the table can be written at all."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(10 * DEEP)
    yield
    sys.setrecursionlimit(usual)


@pytest.mark.foreign_messages("properties that nobody should have")
@pytest.mark.parametrize(
    "hostile",
    [
        {"timestamp": LATEST},
        {"timestamp": 2**48},
        {"message_id": NO_TEXT},
        {"content_type": NO_TEXT},
        {"reply_to": NO_TEXT},
        {"headers": {"x": NO_TEXT, "attempt": 2**62}},
        {"headers": {"attempt": -LATEST, "publisher": "somebody", "x-death": [{"count": LATEST}]}},
        {"headers": {f"{number}": EMOJI * 980 for number in range(4)}},
        {"headers": nested()},
        {"delivery_mode": 77},
        {"priority": 255, "correlation_id": "\0", "type": "\x1b[2J", "app_id": "x" * 255},
    ],
    ids=lambda hostile: " ".join(hostile),
)
async def test_everybody_else_is_heard_at_once_and_it_is_settled(
    module_service: ServiceProcess, broker: BrokerHarness, hostile: dict[str, Any], deep: None
) -> None:
    await asyncio.to_thread(publish, broker, hostile)
    await broker.say(build_current_message("Stop", str(hostile)[:50]))
    assert (await broker.read_reply()).text == TEXTS.unsubscribe_confirmation.text
    event_id = f"innocent-{abs(hash(str(hostile)[:200]))}"
    await broker.publish_notice(build_current_notice(event_id))
    assert (await broker.wait_for_event(NoticeAccepted, event_id)).notice == event_id

    await check_settled(module_service, broker)


async def test_an_id_that_no_database_takes_is_rejected_and_everybody_else_is_heard(
    module_service: ServiceProcess, broker: BrokerHarness
) -> None:
    last_attempt = {"headers": {"attempt": LATEST}}
    event = build_current_notice("no\0text", subject="n-1")
    await asyncio.to_thread(publish, broker, last_attempt, event)
    answer = await broker.wait_for_event(NoticeRejected, "no\0text")
    assert [problem.field for problem in answer.problems] == ["id"]
    await broker.say(build_current_message("Stop", "after the id"))
    assert (await broker.read_reply()).text == TEXTS.unsubscribe_confirmation.text

    await check_settled(module_service, broker)


def publish(broker: BrokerHarness, hostile: dict[str, Any], body: bytes = b"{}") -> None:
    """With a library that checks nothing."""
    usual: dict[str, Any] = {"user_id": broker.municipal_login, "content_type": CONTENT_TYPE, "delivery_mode": 2}
    with pika.BlockingConnection(pika.URLParameters(broker.municipal_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for _ in range(TIMES):
            properties = pika.BasicProperties(**(usual | hostile))
            channel.basic_publish(topology.MUNICIPAL_EVENTS, "notice.published", body, properties)


async def check_settled(service: ServiceProcess, broker: BrokerHarness) -> None:
    await broker.wait_for_count(topology.SUBSCRIPTIONS_NOTICES.name, 0)
    assert await broker.count_messages(topology.SUBSCRIPTIONS_NOTICES.dead_letter_queue) == 0
    for trouble in TROUBLES:
        assert trouble not in service.log
