"""A token for some topics may change notices of these topics only."""

import msgspec
import pytest

from shared.contracts.events import NoticeRejected
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.outcome import Done, Outcome, Rejected, RetryLater
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import EXPIRY, LOGIN, MISSING, NOTICE, build_cloud_event, handle

ROADS, JOBS = "strassensperrungen", "stellen"
STATES = "select topic, revision, state from subscriptions.broadcast order by revision"
Kind = type[NoticePublished] | type[NoticeUpdated] | type[NoticeWithdrawn]


async def say(
    harness: SubscriptionsHarness,
    kind: Kind,
    *,
    topics: str | None,
    notice: str = "n-1",
    login: str = "notices",
    attempt: int | None = None,
    system: str = LOGIN,
    **data: object,
) -> Outcome:
    """As the notices API passes it on for a token of these topics."""
    content = data if kind is NoticeWithdrawn else NOTICE | data
    expiry = MISSING if kind is NoticeWithdrawn else EXPIRY
    event_id = f"{notice} {kind.TYPE} {topics} {sorted(data.items())}"
    body = build_cloud_event(kind.TYPE, content, event_id=event_id, subject=notice, expirytime=expiry)
    named = {"kreisfunksystem": system} if login == "notices" else {}
    passed_on = msgspec.json.decode(body) | named | ({"kreisfunktopics": topics} if topics else {})
    return await handle(harness, msgspec.json.encode(passed_on), login=login, attempt=attempt)


def fields(harness: SubscriptionsHarness) -> list[str]:
    return [problem.field for problem in harness.publisher.list_messages(NoticeRejected)[-1].problems]


async def test_it_updates_and_withdraws_notices_of_its_topics_whoever_published_them(
    harness: SubscriptionsHarness,
) -> None:
    assert await say(harness, NoticePublished, topics=None, topic=ROADS) == Done()
    assert await say(harness, NoticeUpdated, topics=f"{ROADS},{JOBS}", topic=ROADS, revision=2) == Done()
    assert await say(harness, NoticeWithdrawn, topics=ROADS) == Done()
    assert await harness.fetch_rows(STATES) == [(ROADS, 1, "cancelled"), (ROADS, 2, "cancelled")]


async def test_it_withdraws_no_notice_of_another_topic_and_none_that_nobody_knows(
    harness: SubscriptionsHarness,
) -> None:
    assert await say(harness, NoticePublished, topics=None, topic=ROADS) == Done()
    assert isinstance(await say(harness, NoticeWithdrawn, topics=JOBS), Rejected)
    of_another = harness.publisher.list_messages(NoticeRejected)[-1].problems
    assert isinstance(await say(harness, NoticeWithdrawn, topics=JOBS, notice="unknown"), Rejected)
    assert harness.publisher.list_messages(NoticeRejected)[-1].problems == of_another
    assert fields(harness) == ["subject"]
    assert await harness.fetch_rows(STATES) == [(ROADS, 1, "expanding")]
    assert await say(harness, NoticePublished, topics=JOBS, notice="unknown", topic=JOBS) == Done()


async def test_a_withdrawal_that_overtakes_its_notice_waits_for_it_and_shows_nobody_whether_it_exists(
    harness: SubscriptionsHarness,
) -> None:
    waits = await say(harness, NoticeWithdrawn, topics=ROADS, attempt=1)
    assert isinstance(waits, RetryLater)
    assert harness.publisher.published == []
    assert await say(harness, NoticePublished, topics=None, topic=ROADS) == Done()
    assert await say(harness, NoticeWithdrawn, topics=JOBS, attempt=1) == waits
    assert await say(harness, NoticeWithdrawn, topics=ROADS, attempt=2) == Done()
    assert await harness.fetch_rows(STATES) == [(ROADS, 1, "cancelled")]


async def test_it_makes_no_notice_of_another_topic_its_own_by_an_update(harness: SubscriptionsHarness) -> None:
    assert await say(harness, NoticePublished, topics=None, topic=ROADS) == Done()
    assert isinstance(await say(harness, NoticeUpdated, topics=JOBS, topic=JOBS, revision=2), Rejected)
    assert fields(harness) == ["subject"]
    assert await harness.fetch_rows(STATES) == [(ROADS, 1, "expanding")]


async def test_a_notice_that_was_about_its_topic_once_and_is_not_any_more_is_not_its(
    harness: SubscriptionsHarness,
) -> None:
    assert await say(harness, NoticePublished, topics=None, topic=JOBS) == Done()
    assert await say(harness, NoticeUpdated, topics=None, topic=ROADS, revision=2) == Done()
    assert isinstance(await say(harness, NoticeWithdrawn, topics=JOBS), Rejected)
    assert isinstance(await say(harness, NoticeUpdated, topics=JOBS, topic=JOBS, revision=3), Rejected)


@pytest.mark.parametrize("topics", [JOBS, "", "no topic at all"])
async def test_what_a_login_of_its_own_says_about_topics_counts_for_nothing(
    harness: SubscriptionsHarness, topics: str
) -> None:
    assert await say(harness, NoticePublished, topics=topics, login=LOGIN, topic=ROADS) == Done()
    assert await say(harness, NoticeWithdrawn, topics=topics, login=LOGIN) == Done()


async def test_a_system_that_only_the_notices_api_knows_yet_learns_that_it_is_rejected(
    harness: SubscriptionsHarness,
) -> None:
    """As when it was registered and subscriptions has not been restarted; it follows no rejection of another."""
    assert isinstance(await say(harness, NoticePublished, topics=None, topic=ROADS, system="new"), Rejected)
    (rejection,) = harness.publisher.list_messages(NoticeRejected)
    assert (rejection.system, fields(harness)) == ("new", ["user_id"])
