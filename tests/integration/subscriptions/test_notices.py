"""Notices become broadcasts, on a real database."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from shared.contracts.events import BroadcastCancelled, BroadcastStarted, NoticeAccepted, NoticeRejected
from shared.contracts.hours import LOCAL_ZONE
from shared.contracts.message import Lane
from shared.outcome import Done, Rejected
from tests.factories.citizens import NOON
from tests.integration.subscriptions.harness import SubscriptionsHarness, subscribe_many
from tests.integration.subscriptions.notice_factory import (
    EXPIRY,
    LOGIN,
    MISSING,
    NOTICE,
    SOURCE,
    build_cloud_event,
    handle,
    publish,
    withdraw,
)

UNKNOWN = {"Urgent": True, "+4917604069001": 1}
BROADCASTS = "select revision, state, reason from subscriptions.broadcast order by revision"


def rejected_fields(harness: SubscriptionsHarness) -> list[set[str]]:
    return [{problem.field for problem in event.problems} for event in harness.publisher.list_messages(NoticeRejected)]


async def test_a_moment_without_an_offset_is_berlins(harness: SubscriptionsHarness) -> None:
    local = EXPIRY.astimezone(LOCAL_ZONE).replace(tzinfo=None).isoformat()
    assert await publish(harness, expirytime=local) == Done()
    assert await harness.fetch_rows("select expires_at from subscriptions.broadcast") == [(EXPIRY,)]


async def test_a_notice_is_stored_accepted_and_started(harness: SubscriptionsHarness) -> None:
    assert await publish(harness, urgent=True) == Done()
    ((broadcast, lane, state),) = await harness.fetch_rows("select id, lane, state from subscriptions.broadcast")
    assert (lane, state) == ("urgent", "expanding")
    (accepted,) = harness.publisher.list_messages(NoticeAccepted)
    assert (accepted.event, accepted.notice, accepted.revision, accepted.broadcast) == ("event-1", "L149", 1, broadcast)
    (started,) = harness.publisher.list_messages(BroadcastStarted)
    assert (started.broadcast, started.lane, started.topic) == (broadcast, Lane.URGENT, "strassensperrungen")
    assert harness.parts.notices.work_available.is_set()
    assert not any(publication.required for publication in harness.publisher.published)


async def test_an_invalid_notice_comes_back_with_every_field(harness: SubscriptionsHarness) -> None:
    wrong: dict[str, Any] = {
        "topic": "wetter",
        "headline": "",
        "text": None,
        "link": "http://x",
        "revision": 0,
    }
    outcome = await publish(harness, source="/other", expirytime=NOON, **wrong)
    assert isinstance(outcome, Rejected)
    named = {"source", "expirytime", *wrong}
    assert rejected_fields(harness) == [named]
    (rejection,) = harness.publisher.list_messages(NoticeRejected)
    assert (rejection.event, rejection.notice) == ("event-1", "L149")
    assert {problem.split(": ")[0] for problem in outcome.reason.split("; ")} == named
    assert {**outcome.headers, "quarantined-at": None} == {
        "kind": "notice",
        "source": "/other",
        "event": "event-1",
        "system": LOGIN,
        "quarantined-at": None,
    }
    assert await harness.fetch_rows(BROADCASTS) == []
    assert harness.read_metric("kreisfunk_subscriptions_notices_total", result="rejected") == 1


@pytest.mark.parametrize(("login", "told"), [(None, []), ("notices", [{"user_id"}]), ("somebody", [{"user_id"}])])
async def test_nobody_publishes_in_anothers_name(
    harness: SubscriptionsHarness, login: str | None, told: list[set[str]]
) -> None:
    outcome = await publish(harness, login=login)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("user_id: ")
    assert rejected_fields(harness) == told


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"no json", {"body"}),
        (f'{{"specversion": "1.0", "id": "1", "source": "{SOURCE}"}}'.encode(), {"type"}),
        (
            build_cloud_event("de.kreisfunk.notice.published.v1", NOTICE | UNKNOWN, expirytime="gestern"),
            {"expirytime", "Urgent", "data"},
        ),
        (build_cloud_event("de.kreisfunk.notice.published.v9", NOTICE), {"type"}),
        (build_cloud_event("de.kreisfunk.notice.withdrawn.v1", {}, subject=MISSING), {"subject"}),
        (build_cloud_event("de.kreisfunk.notice.published.v1", [1]), {"data"}),
    ],
)
async def test_what_is_no_notice_is_quarantined_and_named(
    harness: SubscriptionsHarness, body: bytes, fields: set[str]
) -> None:
    outcome = await handle(harness, body)
    assert isinstance(outcome, Rejected)
    assert rejected_fields(harness) == [fields]
    assert "4917" not in outcome.reason


async def test_a_higher_revision_replaces_the_one_before(harness: SubscriptionsHarness) -> None:
    await publish(harness)
    assert await publish(harness, event_id="event-2", revision=2, text="Bis 20 Uhr.") == Done()
    assert await harness.fetch_rows(BROADCASTS) == [(1, "cancelled", "superseded"), (2, "expanding", None)]
    (cancelled,) = harness.publisher.list_messages(BroadcastCancelled)
    first, second = harness.publisher.list_messages(NoticeAccepted)
    assert (cancelled.broadcast, cancelled.reason) == (first.broadcast, "superseded")
    assert second.broadcast != first.broadcast
    assert [
        publication.required for publication in harness.publisher.published if publication.key == "broadcast.cancelled"
    ] == [True]


async def test_a_withdrawn_notice_is_cancelled(harness: SubscriptionsHarness) -> None:
    await publish(harness)
    assert await withdraw(harness, reason="Irrtum") == Done()
    assert await harness.fetch_rows(BROADCASTS) == [(1, "cancelled", "withdrawn")]
    (cancelled,) = harness.publisher.list_messages(BroadcastCancelled)
    assert cancelled.reason == "Irrtum"


async def test_a_cancelled_notice_that_is_published_again_is_answered_as_such(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    """Under another event id, since its first answer was lost; an operator has ended its broadcast meanwhile."""
    await subscribe_many(owner, 3)
    await publish(harness)
    await owner.execute("select subscriptions.cancel_expansion(id, 'test') from subscriptions.broadcast")
    harness.now += timedelta(minutes=1)
    await publish(harness, event_id="again")
    first, again = harness.publisher.list_messages(NoticeAccepted)
    assert (again.broadcast, again.audience) == (first.broadcast, 3)
    assert (first.blockers, again.blockers) == ((), ("nobody will get it any more: it was cancelled",))
