"""The AMQP door as other people's clients use it: modes, properties, quarantine and the way back from it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import msgspec
import pytest

from shared.amqp import topology
from shared.contracts.events import NoticeAccepted, NoticeRejected
from shared.contracts.notices import NoticePublished
from shared.notices.cloudevents import MAX_BODY_BYTES
from tests.databases import FreshDatabase
from tests.integration.subscriptions.conftest import ROLE
from tests.integration.subscriptions.notice_factory import NOTICE, SOURCE, build_cloud_event
from tests.integration.subscriptions.service_process import (
    BrokerHarness,
    SubscriptionsProcess,
    open_broker_harness,
    run_service,
)
from tests.servers import Servers, wait_for

QUARANTINE = topology.NOTICES_QUARANTINE
FOREIGN = pytest.mark.foreign_messages("a notice with something wrong, to be rejected")


@pytest.fixture(scope="module")
async def broker(
    servers: Servers, vhost: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BrokerHarness]:
    async with open_broker_harness(servers, vhost, tmp_path_factory.mktemp("county")) as broker:
        yield broker


@pytest.fixture(scope="module")
async def service(
    broker: BrokerHarness, module_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SubscriptionsProcess]:
    log = tmp_path_factory.mktemp("service") / "log"
    async with run_service(broker, module_database.build_role_url(ROLE), log) as running:
        yield running


@pytest.fixture(autouse=True)
async def nothing_kept(broker: BrokerHarness) -> None:
    for queue in (QUARANTINE, topology.SUBSCRIPTIONS_NOTICES.name):
        await (await broker.channel.get_queue(queue, ensure=False)).purge()


def expiry() -> datetime:
    return datetime.now(UTC) + timedelta(hours=3)


def structured(event_id: str) -> bytes:
    return build_cloud_event(NoticePublished.TYPE, NOTICE, event_id=event_id, subject=event_id, expirytime=expiry())


def attributes(event_id: str, prefix: str) -> dict[str, Any]:
    named = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": NoticePublished.TYPE,
        "subject": event_id,
        "expirytime": expiry().isoformat(),
    }
    return {f"{prefix}{name}": value for name, value in named.items()}


async def accepted(broker: BrokerHarness, event_id: str) -> NoticeAccepted:
    found: list[NoticeAccepted] = []

    async def look() -> bool:
        found.extend(answer for answer in await broker.list_events(NoticeAccepted) if answer.event == event_id)
        return bool(found)

    await wait_for(look)
    return found[0]


async def rejected(broker: BrokerHarness) -> NoticeRejected:
    found: list[NoticeRejected] = []

    async def look() -> bool:
        found.extend(await broker.list_events(NoticeRejected))
        return bool(found)

    await wait_for(look)
    return found[0]


async def kept(broker: BrokerHarness) -> aio_pika.abc.AbstractIncomingMessage:
    found: list[aio_pika.abc.AbstractIncomingMessage] = []

    async def look() -> bool:
        incoming = await broker.take(QUARANTINE)
        found.extend([incoming] if incoming else [])
        return bool(found)

    await wait_for(look)
    return found[0]


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "ce-", "ce_"])
async def test_binary_mode_is_as_good_as_structured(
    service: SubscriptionsProcess, broker: BrokerHarness, prefix: str
) -> None:
    event_id = f"binary-{len(prefix)}-{prefix[-1] == '_'}"
    await broker.publish_notice(
        msgspec.json.encode(NOTICE), content_type="application/json", headers=attributes(event_id, prefix)
    )
    assert (await accepted(broker, event_id)).notice == event_id
    assert await broker.count_messages(QUARANTINE) == 0


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        pytest.param({"content_type": None}, "content_type", marks=FOREIGN),
        pytest.param({"content_type": "application/json"}, "content_type", marks=FOREIGN),
        pytest.param({"content_encoding": "gzip"}, "content_encoding", marks=FOREIGN),
        pytest.param({"delivery_mode": aio_pika.DeliveryMode.NOT_PERSISTENT}, "delivery_mode", marks=FOREIGN),
    ],
)
async def test_a_wrong_property_is_named_and_the_message_kept(
    service: SubscriptionsProcess, broker: BrokerHarness, properties: dict[str, Any], field: str
) -> None:
    body = structured("wrong-1")
    await broker.publish_notice(body, **properties)
    answer = await rejected(broker)
    assert [problem.field for problem in answer.problems] == [field]
    assert answer.event == ("" if field == "content_type" else "wrong-1")
    message = await kept(broker)
    assert message.body == body
    assert str(message.headers["reason"]).startswith(f"{field}: ")
    assert {"kind", "source", "event", "system", "quarantined-at"} < set(message.headers)
    assert message.content_type == properties.get("content_type", message.content_type)


async def test_a_body_that_is_too_long_is_cut(service: SubscriptionsProcess, broker: BrokerHarness) -> None:
    await broker.publish_notice(structured("long") + b" " * 3 * MAX_BODY_BYTES)
    assert [problem.field for problem in (await rejected(broker)).problems] == ["body"]
    message = await kept(broker)
    assert len(message.body) == MAX_BODY_BYTES
    assert message.headers["truncated-from"] == len(structured("long")) + 3 * MAX_BODY_BYTES


async def test_a_foreign_publisher_cannot_claim_to_be_another(
    service: SubscriptionsProcess, broker: BrokerHarness
) -> None:
    await broker.publish_notice(structured("forged"), user_id=None, headers={"publisher": broker.press})
    message = await kept(broker)
    assert str(message.headers["reason"]).startswith("user_id: ")
    assert message.headers.get("publisher") is None


@FOREIGN
async def test_nobody_is_told_about_what_nobody_published_as_an_answer_that_came_back(
    service: SubscriptionsProcess, broker: BrokerHarness
) -> None:
    await broker.publish_notice(b"{}")
    answer = await rejected(broker)
    await kept(broker)
    await broker.publish_notice(msgspec.json.encode(answer), user_id=None)
    await kept(broker)
    assert await broker.list_events(NoticeRejected) == []


@FOREIGN
async def test_what_is_rejected_without_requeueing_in_quarantine_is_judged_again(
    service: SubscriptionsProcess, broker: BrokerHarness
) -> None:
    """As an operator does it when the cause is gone: here nothing was mended, so it comes back with its publisher."""
    headers = attributes("again", "ce-")
    await broker.publish_notice(b'{"topic": "wetter"}', content_type="application/json", headers=headers)
    assert {problem.field for problem in (await rejected(broker)).problems} == {"topic", "headline", "text"}
    source = await broker.channel.get_queue(QUARANTINE, ensure=False)

    async def is_kept() -> bool:
        return await broker.count_messages(QUARANTINE) == 1

    await wait_for(is_kept)
    incoming = await source.get()
    await incoming.reject(requeue=False)
    answer = await rejected(broker)
    assert (answer.event, {problem.field for problem in answer.problems}) == ("again", {"topic", "headline", "text"})
    message = await kept(broker)
    assert (message.headers["publisher"], message.headers["system"]) == (broker.press, broker.press)
