"""Properties of a municipal message that are made to break whoever reads it, while a citizen writes "Stop"."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pika  # type: ignore[import-untyped]  # it has no types
import pytest

from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE
from shared.contracts.notices import NoticePublished
from tests.databases import FreshDatabase
from tests.factories.citizens import TEXTS
from tests.integration.subscriptions.conftest import ROLE
from tests.integration.subscriptions.notice_factory import NOTICE, build_cloud_event
from tests.integration.subscriptions.service_process import (
    PASSWORD,
    BrokerHarness,
    SubscriptionsProcess,
    open_broker_harness,
    run_service,
)
from tests.integration.subscriptions.test_amqp_publishing import accepted, expiry, rejected, structured
from tests.integration.subscriptions.test_service import next_reply, now, say
from tests.servers import Servers, build_login_url, wait_for

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


@pytest.fixture(scope="module")
async def broker(
    servers: Servers, vhost: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BrokerHarness]:
    async with open_broker_harness(servers, vhost, tmp_path_factory.mktemp("county")) as broker:
        yield broker


@pytest.fixture
async def service(
    broker: BrokerHarness, database: FreshDatabase, tmp_path: Path
) -> AsyncIterator[SubscriptionsProcess]:
    async with run_service(broker, database.build_role_url(ROLE), tmp_path / "log") as running:
        yield running


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
    service: SubscriptionsProcess, broker: BrokerHarness, vhost: str, hostile: dict[str, Any], deep: None
) -> None:
    await asyncio.to_thread(publish, build_login_url(vhost, broker.press, PASSWORD), broker.press, hostile)
    await say(broker, now("Stop", str(hostile)[:50]))
    assert (await next_reply(broker)).text == TEXTS.unsubscribe_confirmation.text
    event_id = f"innocent-{abs(hash(str(hostile)[:200]))}"
    await broker.publish_notice(structured(event_id))
    assert (await accepted(broker, event_id)).notice == event_id

    await wait_for(lambda: is_settled(broker))
    assert await broker.count_messages(topology.SUBSCRIPTIONS_NOTICES.dead_letter_queue) == 0
    for trouble in TROUBLES:
        assert trouble not in service.log


async def test_an_id_that_no_database_takes_is_rejected_and_everybody_else_is_heard(
    service: SubscriptionsProcess, broker: BrokerHarness, vhost: str
) -> None:
    url, last_attempt = build_login_url(vhost, broker.press, PASSWORD), {"headers": {"attempt": LATEST}}
    event = build_cloud_event(NoticePublished.TYPE, NOTICE, event_id="no\0text", subject="n-1", expirytime=expiry())
    await asyncio.to_thread(publish, url, broker.press, last_attempt, event)
    answer = await rejected(broker)
    assert (answer.event, [problem.field for problem in answer.problems]) == ("no\0text", ["id"])
    await say(broker, now("Stop", "after the id"))
    assert (await next_reply(broker)).text == TEXTS.unsubscribe_confirmation.text

    await wait_for(lambda: is_settled(broker))
    assert await broker.count_messages(topology.SUBSCRIPTIONS_NOTICES.dead_letter_queue) == 0
    for trouble in TROUBLES:
        assert trouble not in service.log


def publish(url: str, login: str, hostile: dict[str, Any], body: bytes = b"{}") -> None:
    """With a library that checks nothing."""
    usual: dict[str, Any] = {"user_id": login, "content_type": CONTENT_TYPE, "delivery_mode": 2}
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for _ in range(TIMES):
            properties = pika.BasicProperties(**(usual | hostile))
            channel.basic_publish(topology.MUNICIPAL_EVENTS, "notice.published", body, properties)


async def is_settled(broker: BrokerHarness) -> bool:
    return await broker.count_messages(topology.SUBSCRIPTIONS_NOTICES.name) == 0
