"""Notices as a municipal system publishes them."""

from datetime import timedelta
from typing import Any

import msgspec

from shared.contracts.events import NoticeAccepted, NoticeChecked
from shared.contracts.notices import NoticeCheck, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.notices.cloudevents import AmqpMessage
from shared.outcome import Done, Outcome
from tests.factories.citizens import NOON
from tests.integration.subscriptions.harness import SubscriptionsHarness

LOGIN = "pressestelle"
SOURCE = "/landkreis-osterholz/pressestelle"
NOTICE: dict[str, Any] = {
    "topic": "strassensperrungen",
    "headline": "L 149: Vollsperrung",
    "text": "Bis 18 Uhr.",
}
EXPIRY = NOON + timedelta(hours=6)
MISSING = object()


def build_cloud_event(
    kind: str,
    data: object,
    *,
    event_id: object = "event-1",
    source: str = SOURCE,
    subject: object = "L149",
    expirytime: object = EXPIRY,
    time: object = MISSING,
) -> bytes:
    """Build an event; any value may be wrong, MISSING ones are left out."""
    attributes = {"id": event_id, "source": source, "type": kind, "subject": subject, "expirytime": expirytime}
    attributes |= {"time": time}
    given = {name: value for name, value in attributes.items() if value is not MISSING}
    return msgspec.json.encode({"specversion": "1.0", **given, "data": data})


async def handle(
    harness: SubscriptionsHarness, body: bytes, *, login: str | None = LOGIN, attempt: int | None = None
) -> Outcome:
    return await harness.parts.notices.handle(AmqpMessage(body=body, login=login), attempt=attempt)


async def publish(
    harness: SubscriptionsHarness,
    *,
    event_id: str = "event-1",
    source: str = SOURCE,
    login: str | None = LOGIN,
    notice: str = "L149",
    expirytime: object = EXPIRY,
    time: object = MISSING,
    **changes: object,
) -> Outcome:
    """A notice, or its update if `changes` have a revision. Each call with the same `event_id` is the same event."""
    kind = NoticeUpdated if "revision" in changes else NoticePublished
    body = build_cloud_event(
        kind.TYPE, NOTICE | changes, event_id=event_id, source=source, subject=notice, expirytime=expirytime, time=time
    )
    return await handle(harness, body, login=login)


async def count_audience(harness: SubscriptionsHarness, **notice: Any) -> int:
    """Publish a notice and return how many get it, which must be as many as announced."""
    before = len(harness.publisher.list_pages())
    await publish(harness, event_id=f"e{before}", **{"notice": f"n{before}", **notice})
    await harness.expand()
    reached = sum(len(page.recipients) for page in harness.publisher.list_pages()[before:])
    assert harness.publisher.list_messages(NoticeAccepted)[-1].audience == reached
    return reached


async def ask(harness: SubscriptionsHarness, event: bytes, *, login: str | None = LOGIN) -> NoticeChecked:
    """Return the answer to a check of this event."""
    before = len(harness.publisher.list_messages(NoticeChecked))
    question = build_cloud_event(NoticeCheck.TYPE, {"event": msgspec.json.decode(event)}, event_id=f"question-{before}")
    assert await handle(harness, question, login=login) == Done()
    answer: NoticeChecked = harness.publisher.list_messages(NoticeChecked)[before]
    assert answer.event == f"question-{before}"
    return answer


async def withdraw(
    harness: SubscriptionsHarness, notice: str = "L149", *, event_id: str = "withdrawal", **data: object
) -> Outcome:
    body = build_cloud_event(NoticeWithdrawn.TYPE, data, event_id=event_id, subject=notice, expirytime=MISSING)
    return await handle(harness, body)
