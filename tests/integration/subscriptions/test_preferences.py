"""Meta's own stop and resume, on a real database."""

from uuid import UUID

import pytest

from services.subscriptions.handlers.inbound import STOPPED_MARKETING
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.envelope import encode
from shared.contracts.events import DeliveryRefused, SubscriptionChanged, SubscriptionEnded, SubscriptionStarted
from shared.contracts.ids import delivery_id, make_timed_id
from shared.outcome import Done
from tests.factories.citizens import COUNTY, build_message, build_preference, build_time
from tests.integration.subscriptions.harness import SubscriptionsHarness

TOPICS = "select topic from subscriptions.subscription order by topic"
COUNTED = ("stopped_marketing", "refused")
CONSENTS = "select sequence, event, topics from subscriptions.consent order by id desc limit 1"


async def test_a_stop_ends_the_marketing_topics_and_is_not_answered(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Start"))
    await harness.receive_preferences(build_preference("stop"))
    assert await harness.fetch_rows(TOPICS) == [
        (topic,) for topic in sorted(COUNTY.topic_ids - COUNTY.marketing_topics)
    ]
    ended = harness.publisher.list_messages(SubscriptionEnded)
    assert {(end.topic, end.sequence) for end in ended} == {(topic, 2) for topic in COUNTY.marketing_topics}
    assert len(harness.publisher.list_messages(ReplyRequested)) == 1
    assert await harness.fetch_rows(CONSENTS) == [(2, "withdrawn", ["stellen", "veranstaltungen"])]


async def test_the_same_stop_again_publishes_the_same_and_counts_once(
    harness: SubscriptionsHarness, other: SubscriptionsHarness
) -> None:
    await harness.receive(build_message("Start"))
    await harness.receive_preferences(build_preference("stop"))
    await other.receive_preferences(build_preference("stop"))
    assert other.publisher.published == harness.publisher.published[2:]
    assert await harness.fetch_rows("select sequence from subscriptions.subscriber") == [(2,)]


async def test_other_categories_and_words_have_no_effect(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Start"))
    await harness.receive_preferences(
        build_preference("resume"), build_preference("stop", category="something_new"), build_preference("signup")
    )
    assert await harness.fetch_rows("select sequence, suspended from subscriptions.subscriber") == [(1, [])]
    assert len(await harness.fetch_rows(TOPICS)) == len(COUNTY.topic_ids)


async def test_a_resume_brings_the_topics_back_and_is_not_answered(
    harness: SubscriptionsHarness, other: SubscriptionsHarness
) -> None:
    await harness.receive(build_message("Start"))
    await harness.receive_preferences(build_preference("stop"))
    await other.receive_preferences(build_preference("resume", seconds=6), build_preference("resume", seconds=6))
    assert len(await harness.fetch_rows(TOPICS)) == len(COUNTY.topic_ids)
    assert other.publisher.list_messages(ReplyRequested) == []
    assert {told.sequence for told in other.publisher.list_messages(SubscriptionChanged)} == {3}
    assert await harness.fetch_rows(CONSENTS) == [(3, "given", ["stellen", "veranstaltungen"])]


async def test_who_had_marketing_topics_only_is_back_with_their_address(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Start"), build_message("nur Stellen", seconds=2))
    await harness.receive_preferences(build_preference("stop"), arrived_at=build_time(5))
    subscribers = "select state, phone_sealed is null from subscriptions.subscriber"
    assert await harness.fetch_rows(subscribers) == [("unsubscribed", True)]
    await harness.receive_preferences(build_preference("resume", seconds=6), arrived_at=build_time(6))
    assert await harness.fetch_rows(subscribers) == [("subscribed", False)]
    assert await harness.fetch_rows(TOPICS) == [("stellen",)]
    assert [told.topics for told in harness.publisher.list_messages(SubscriptionStarted)][1:] == [("stellen",)]


async def test_a_stop_of_a_stranger_changes_nothing(harness: SubscriptionsHarness) -> None:
    await harness.receive_preferences(build_preference("stop"))
    assert (harness.publisher.published, await harness.fetch_rows("select * from subscriptions.subscriber")) == ([], [])


@pytest.mark.parametrize("handled", [1, 300])
async def test_what_is_written_after_a_stop_by_a_clock_that_runs_ahead_counts(
    harness: SubscriptionsHarness, handled: float
) -> None:
    """Also if the stop is handled later than it arrived, since others waited before it."""
    await harness.receive(build_message("Start"))
    harness.now = build_time(handled)
    await harness.receive_preferences(build_preference("stop", seconds=600), arrived_at=build_time(1))
    assert len(await harness.fetch_rows(TOPICS)) == len(COUNTY.topic_ids - COUNTY.marketing_topics)
    await harness.receive(build_message("Start", seconds=609, lag=-600))
    assert len(await harness.fetch_rows(TOPICS)) == len(COUNTY.topic_ids)
    assert len(harness.list_reply_texts()) == 2


async def refuse_delivery(harness: SubscriptionsHarness, *, begun: float, seconds: float = 30) -> None:
    """Report that Meta refuses a delivery to the only subscriber, who has stopped marketing messages."""
    ((subscriber,),) = await harness.fetch_rows("select id from subscriptions.subscriber")
    assert isinstance(subscriber, UUID)
    delivery = delivery_id(make_timed_id(build_time(begun)), subscriber)
    refused = DeliveryRefused(delivery=delivery, subscriber=subscriber, code=STOPPED_MARKETING)
    body = encode(refused, event_id=str(delivery), source="/kreisfunk/dispatcher", time=build_time(seconds))
    assert await harness.parts.inbound.handle_refusal(body) == Done()


async def test_a_stop_that_a_refusal_reveals_is_told_after_a_crash_between_commit_and_publish(
    harness: SubscriptionsHarness, other: SubscriptionsHarness
) -> None:
    """The refusal has unsubscribed the person from everything, so that no encrypted address is left."""
    await harness.receive(build_message("Start"), build_message("nur Stellen", seconds=2))
    earlier = len(harness.publisher.published)
    with harness.publisher.failing():
        await refuse_delivery(harness, begun=5)
    assert await harness.fetch_rows("select state from subscriptions.subscriber") == [("unsubscribed",)]
    await refuse_delivery(other, begun=5)
    (ended,) = other.publisher.list_messages(SubscriptionEnded)
    assert (ended.topic, ended.sequence) == (None, 3)
    await refuse_delivery(other, begun=6)
    assert (len(harness.publisher.published), len(other.publisher.published)) == (earlier, 1)
    counted = [other.read_metric("kreisfunk_subscriptions_inbound_total", outcome=outcome) for outcome in COUNTED]
    assert counted == [1, 1]


@pytest.mark.parametrize(
    ("begun", "topics"), [(10, COUNTY.topic_ids), (25, COUNTY.topic_ids - COUNTY.marketing_topics)]
)
async def test_a_refusal_that_is_reported_late_ends_nothing_that_was_resumed_since_its_broadcast_began(
    harness: SubscriptionsHarness, begun: float, topics: frozenset[str]
) -> None:
    harness.now = build_time(60)
    await harness.receive(build_message("Start"))
    await harness.receive_preferences(build_preference("stop"), build_preference("resume", seconds=20))
    await refuse_delivery(harness, begun=begun)
    assert len(await harness.fetch_rows(TOPICS)) == len(topics)
