"""A check says what would become of a notice, from a real database, and stores nothing."""

from typing import Any

import asyncpg
import pytest

from shared.contracts.events import NoticeAccepted, NoticeAction, NoticeRejected
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.outcome import Rejected
from tests.integration.subscriptions.harness import SubscriptionsHarness, subscribe_many
from tests.integration.subscriptions.notice_factory import MISSING, NOTICE, ask, build_cloud_event, handle, publish

STORED = "select count(*) from subscriptions.broadcast", "select count(*) from subscriptions.notice_event"
PUBLISHED = build_cloud_event(NoticePublished.TYPE, NOTICE)
UPDATED = build_cloud_event(NoticeUpdated.TYPE, NOTICE | {"revision": 2}, event_id="event-2")
WITHDRAWN = build_cloud_event(NoticeWithdrawn.TYPE, {}, event_id="event-3", expirytime=MISSING)


async def test_a_check_tells_what_the_acceptance_will_tell_and_stores_nothing(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 3)
    told = await ask(harness, PUBLISHED)
    assert [await harness.fetch_rows(count) for count in STORED] == [[(0,)], [(0,)]]
    await publish(harness)
    (accepted,) = harness.publisher.list_messages(NoticeAccepted)
    assert (told.audience, told.revision, told.action) == (3, 1, NoticeAction.PUBLISHED)
    assert (told.costs, told.duration_seconds, told.blockers) == (
        accepted.costs,
        accepted.duration_seconds,
        accepted.blockers,
    )


async def test_nobody_who_subscribes_is_told_before(harness: SubscriptionsHarness) -> None:
    told = await ask(harness, PUBLISHED)
    assert (told.audience, told.problems) == (0, ())
    assert "nobody has subscribed to this" in told.blockers


async def test_what_only_the_database_knows_is_told_before(harness: SubscriptionsHarness) -> None:
    assert [problem.field for problem in (await ask(harness, UPDATED)).problems] == ["revision"]
    told = await ask(harness, WITHDRAWN)
    assert (told.revision, "no notice with this id is known" in told.blockers[0]) == (0, True)
    await publish(harness)
    assert (await ask(harness, UPDATED)).problems == ()
    assert (await ask(harness, WITHDRAWN)).revision == 1


async def test_what_is_wrong_is_named_as_it_will_be(harness: SubscriptionsHarness) -> None:
    wrong = build_cloud_event(NoticePublished.TYPE, NOTICE | {"Urgent": True}, expirytime="morgen", source="/other")
    told = await ask(harness, wrong)
    assert {problem.field for problem in told.problems} == {"expirytime", "Urgent", "source"}


@pytest.mark.parametrize(
    ("data", "changes", "field"),
    [
        (None, {}, "event"),
        ({}, {}, "event"),
        ({"event": "x"}, {}, "event"),
        ({"event": [1]}, {}, "event"),
        ({"event": {}}, {"event_id": MISSING}, "id"),
        ({"event": {}}, {"source": "/landkreis-osterholz/redaktion"}, "source"),
    ],
)
async def test_a_wrong_question_is_rejected_with_its_field(
    harness: SubscriptionsHarness, data: object, changes: dict[str, Any], field: str
) -> None:
    question = build_cloud_event("de.kreisfunk.notice.check.v1", data, **changes)
    assert isinstance(await handle(harness, question), Rejected)
    (rejected,) = harness.publisher.list_messages(NoticeRejected)
    assert [problem.field for problem in rejected.problems] == [field]


async def test_nobody_asks_who_is_not_registered(harness: SubscriptionsHarness) -> None:
    question = build_cloud_event("de.kreisfunk.notice.check.v1", {"event": {}})
    assert isinstance(await handle(harness, question, login="nobody"), Rejected)
    assert harness.publisher.list_messages(NoticeAccepted) == []
