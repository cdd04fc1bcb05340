"""The AMQP interface as clients of others use it: modes, properties, quarantine and the way back from it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import msgspec
import pytest

from shared.amqp import topology
from shared.contracts.events import NoticeAccepted, NoticeRejected
from shared.contracts.notices import NoticePublished
from shared.notices.cloudevents import MAX_BODY_BYTES
from tests.integration.subscriptions.notice_factory import NOTICE, SOURCE
from tests.integration.subscriptions.service_process import BrokerHarness, build_current_notice

QUARANTINE = topology.NOTICES_QUARANTINE
pytestmark = pytest.mark.usefixtures("module_service")
FOREIGN = pytest.mark.foreign_messages("a notice with something wrong, to be rejected")


def attributes(event_id: str, prefix: str) -> dict[str, Any]:
    named = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": NoticePublished.TYPE,
        "subject": event_id,
        "expirytime": (datetime.now(UTC) + timedelta(hours=3)).isoformat(),
    }
    return {f"{prefix}{name}": value for name, value in named.items()}


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "ce-", "ce_"])
async def test_binary_mode_is_as_good_as_build_current_notice(broker: BrokerHarness, prefix: str) -> None:
    event_id = f"binary-{len(prefix)}-{prefix[-1] == '_'}"
    await broker.publish_notice(
        msgspec.json.encode(NOTICE), content_type="application/json", headers=attributes(event_id, prefix)
    )
    assert (await broker.wait_for_event(NoticeAccepted, event_id)).notice == event_id
    assert await broker.count_messages(QUARANTINE) == 0


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        pytest.param({"content_type": None}, "content_type", marks=FOREIGN),
        pytest.param({"content_type": "application/json"}, "content_type", marks=FOREIGN),
        pytest.param({"content_encoding": "gzip"}, "content_encoding", marks=FOREIGN),
        pytest.param({"delivery_mode": aio_pika.DeliveryMode.NOT_PERSISTENT}, "delivery_mode", marks=FOREIGN),
        ({"expiration": 600}, "expiration"),
    ],
)
async def test_a_wrong_property_is_named_and_the_message_quarantined(
    broker: BrokerHarness, properties: dict[str, Any], field: str
) -> None:
    body = build_current_notice("wrong-1")
    await broker.publish_notice(body, **properties)
    answer = await broker.wait_for_event(NoticeRejected)
    assert [problem.field for problem in answer.problems] == [field]
    assert answer.event == ("" if field == "content_type" else "wrong-1")
    message = await broker.wait_for_message(QUARANTINE)
    assert message.body == body
    assert str(message.headers["reason"]).startswith(f"{field}: ")
    assert {"kind", "source", "event", "system", "quarantined-at"} < set(message.headers)
    assert message.content_type == properties.get("content_type", message.content_type)


async def test_a_body_that_is_too_long_is_cut(broker: BrokerHarness) -> None:
    await broker.publish_notice(build_current_notice("long") + b" " * 3 * MAX_BODY_BYTES)
    assert [problem.field for problem in (await broker.wait_for_event(NoticeRejected)).problems] == ["body"]
    message = await broker.wait_for_message(QUARANTINE)
    assert len(message.body) == MAX_BODY_BYTES
    assert message.headers["truncated-from"] == len(build_current_notice("long")) + 3 * MAX_BODY_BYTES


async def test_a_foreign_publisher_cannot_claim_to_be_another(broker: BrokerHarness) -> None:
    await broker.publish_notice(
        build_current_notice("forged"), user_id=None, headers={"publisher": broker.municipal_login}
    )
    message = await broker.wait_for_message(QUARANTINE)
    assert str(message.headers["reason"]).startswith("user_id: ")
    assert message.headers.get("publisher") is None


@FOREIGN
async def test_nobody_is_told_about_what_nobody_published_as_an_answer_that_came_back(broker: BrokerHarness) -> None:
    await broker.publish_notice(b"{}")
    answer = await broker.wait_for_event(NoticeRejected)
    await broker.wait_for_message(QUARANTINE)
    await broker.publish_notice(msgspec.json.encode(answer), user_id=None)
    await broker.wait_for_message(QUARANTINE)
    assert await broker.list_events(NoticeRejected) == []


@FOREIGN
async def test_what_is_rejected_without_requeueing_in_quarantine_is_judged_again(broker: BrokerHarness) -> None:
    """As an operator does: nothing was mended here, so it comes back with its publisher."""
    headers = attributes("again", "ce-")
    await broker.publish_notice(b'{"topic": "wetter"}', content_type="application/json", headers=headers)
    wrong = {"topic", "headline", "text"}
    assert {problem.field for problem in (await broker.wait_for_event(NoticeRejected)).problems} == wrong
    source = await broker.channel.get_queue(QUARANTINE, ensure=False)
    await broker.wait_for_count(QUARANTINE, 1)
    incoming = await source.get()
    await incoming.reject(requeue=False)
    answer = await broker.wait_for_event(NoticeRejected)
    assert (answer.event, {problem.field for problem in answer.problems}) == ("again", wrong)
    message = await broker.wait_for_message(QUARANTINE)
    assert (message.headers["publisher"], message.headers["system"]) == (broker.municipal_login, broker.municipal_login)
