"""Notices that follow an earlier one, up to the message that names its broadcasts; on a real database."""

from datetime import timedelta

import asyncpg
import pytest

from shared.contracts.dispatch import BroadcastFollowUp
from shared.contracts.events import NoticeRejected
from shared.contracts.message import Lane
from shared.outcome import DependencyUnavailable
from tests.factories.citizens import NOON
from tests.integration.subscriptions.harness import SubscriptionsHarness, subscribe_many
from tests.integration.subscriptions.notice_factory import publish

EARLIER = "select id from subscriptions.broadcast where notice = 'L149' order by revision"


async def test_a_follow_up_names_the_broadcasts_of_the_earlier_notice_and_reads_no_audience(
    stand: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 500)
    await publish(stand)
    await publish(stand, revision=2, text="Bis 20 Uhr.", event_id="event-2")
    await publish(stand, notice="frei", text="Wieder frei.", follows="L149", event_id="event-3")
    stand.publisher.lose = lambda publication: publication.key == Lane.BULK
    with pytest.raises(DependencyUnavailable):
        await stand.expand()
    stand.publisher.lose = lambda _: False
    await stand.expand()
    earlier = await stand.fetch_rows(EARLIER)
    follow_ups = stand.publisher.list_messages(BroadcastFollowUp)
    assert {one.follows for one in follow_ups} == {tuple(row[0] for row in earlier)}
    assert len(earlier) == 2
    assert [page.notice for page in stand.publisher.list_pages() if page.notice == "frei"] == []


async def test_a_follow_up_that_arrives_again_is_the_same_one(stand: SubscriptionsHarness) -> None:
    await publish(stand)
    for _ in range(2):
        await publish(stand, notice="frei", follows="L149", event_id="event-2")
        await stand.expand()
    assert len(stand.publisher.list_messages(BroadcastFollowUp)) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"follows": "unknown"}, "follows"),
        ({"follows": "L149", "topic": "stellen"}, "topic"),
    ],
)
async def test_what_cannot_be_followed_is_named(
    changes: dict[str, str], field: str, stand: SubscriptionsHarness
) -> None:
    await publish(stand)
    await publish(stand, notice="frei", event_id="event-2", **changes)
    (rejected,) = stand.publisher.list_messages(NoticeRejected)
    assert [problem.field for problem in rejected.problems] == [field]


@pytest.mark.parametrize(("topic", "rejected"), [("strassensperrungen", []), ("baustellen", ["topic"])])
async def test_the_topic_of_the_newest_revision_is_that_of_the_notice(
    topic: str, rejected: list[str], stand: SubscriptionsHarness
) -> None:
    await publish(stand, topic="baustellen")
    await publish(stand, revision=2, event_id="event-2")
    await publish(stand, notice="frei", follows="L149", topic=topic, event_id="event-3")
    found = stand.publisher.list_messages(NoticeRejected)
    assert [problem.field for answer in found for problem in answer.problems] == rejected


async def test_a_planned_follow_up_names_also_what_its_notice_became_meanwhile(stand: SubscriptionsHarness) -> None:
    begins = NOON + timedelta(hours=1)
    await publish(stand, scheduled_at=begins.isoformat())
    await publish(stand, notice="other", scheduled_at=begins.isoformat(), event_id="event-2")
    all_clear = NOON + timedelta(hours=3)
    await publish(stand, notice="frei", follows="L149", scheduled_at=all_clear.isoformat(), event_id="event-3")
    await publish(stand, revision=2, scheduled_at=begins.isoformat(), event_id="event-4")
    for stand.now in (begins, all_clear):
        await stand.parts.expander.start_due()
        await stand.expand()
    (follow_up,) = stand.publisher.list_messages(BroadcastFollowUp)
    assert list(follow_up.follows) == [row[0] for row in await stand.fetch_rows(EARLIER)]
    assert len(follow_up.follows) == 2
    assert {page.notice for page in stand.publisher.list_pages()} == {"L149", "other"}
