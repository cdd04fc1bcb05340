"""Notices that follow an earlier one, up to the message that names its broadcasts; on a real database."""

from datetime import timedelta

import asyncpg
import pytest

from shared.contracts.dispatch import BroadcastFollowUp
from shared.contracts.events import NoticeRejected
from shared.contracts.message import Lane
from tests.factories.citizens import NOON
from tests.integration.subscriptions.harness import SubscriptionsHarness, subscribe_many
from tests.integration.subscriptions.notice_factory import publish

EARLIER = "select id from subscriptions.broadcast where notice = 'L149' order by revision"


async def test_a_follow_up_names_the_broadcasts_of_the_earlier_notice_and_reads_no_audience(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 500)
    await publish(harness)
    await publish(harness, revision=2, text="Bis 20 Uhr.", event_id="event-2")
    await publish(harness, notice="frei", text="Wieder frei.", follows="L149", event_id="event-3")
    with harness.publisher.failing(Lane.BULK, arrives=True):
        await harness.expand()
    await harness.expand()
    earlier = await harness.fetch_rows(EARLIER)
    follow_ups = harness.publisher.list_messages(BroadcastFollowUp)
    assert {one.follows for one in follow_ups} == {tuple(row[0] for row in earlier)}
    assert len(earlier) == 2
    assert [page.notice for page in harness.publisher.list_pages() if page.notice == "frei"] == []


async def test_a_follow_up_that_arrives_again_is_the_same_one(harness: SubscriptionsHarness) -> None:
    await publish(harness)
    for _ in range(2):
        await publish(harness, notice="frei", follows="L149", event_id="event-2")
        await harness.expand()
    assert len(harness.publisher.list_messages(BroadcastFollowUp)) == 1


@pytest.mark.parametrize(
    ("changes", "rejected"),
    [
        ({"follows": "unknown"}, ["follows"]),
        ({"topic": "stellen"}, ["topic"]),
        ({"topic": "baustellen"}, ["topic"]),
        ({}, []),
    ],
)
async def test_what_cannot_be_followed_is_named_and_the_newest_revision_has_the_topic_of_the_notice(
    changes: dict[str, str], rejected: list[str], harness: SubscriptionsHarness
) -> None:
    await publish(harness, topic="baustellen")
    await publish(harness, revision=2, event_id="event-2")
    await publish(harness, notice="frei", event_id="event-3", **{"follows": "L149"} | changes)
    found = harness.publisher.list_messages(NoticeRejected)
    assert [problem.field for answer in found for problem in answer.problems] == rejected


async def test_a_planned_follow_up_names_also_what_its_notice_became_meanwhile(harness: SubscriptionsHarness) -> None:
    begins = NOON + timedelta(hours=1)
    await publish(harness, scheduled_at=begins.isoformat())
    await publish(harness, notice="other", scheduled_at=begins.isoformat(), event_id="event-2")
    all_clear = NOON + timedelta(hours=3)
    await publish(harness, notice="frei", follows="L149", scheduled_at=all_clear.isoformat(), event_id="event-3")
    await publish(harness, revision=2, scheduled_at=begins.isoformat(), event_id="event-4")
    for harness.now in (begins, all_clear):
        await harness.parts.expander.start_due()
        await harness.expand()
    (follow_up,) = harness.publisher.list_messages(BroadcastFollowUp)
    assert list(follow_up.follows) == [row[0] for row in await harness.fetch_rows(EARLIER)]
    assert len(follow_up.follows) == 2
    assert {page.notice for page in harness.publisher.list_pages()} == {"L149", "other"}
