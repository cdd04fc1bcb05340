"""Periodic work, on a real database."""

import asyncpg

from services.subscriptions.adapters.consents import save_wordings
from tests.factories.citizens import COUNTY, TEXTS, build_both, build_message
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import publish


async def test_subscribers_are_counted_by_state(harness: SubscriptionsHarness) -> None:
    await harness.receive(*(build_message("Start", sender=build_both(each)) for each in range(3)))
    await harness.receive(build_message("Stop", sender=build_both(1), seconds=5))
    await harness.metrics.refresh(harness.database)
    for state, count in {"subscribed": 2, "unsubscribed": 1, "merged": 0}.items():
        assert harness.read_metric("kreisfunk_subscriptions_subscribers", state=state) == count
    for topic in COUNTY.topics:
        assert harness.read_metric("kreisfunk_subscriptions_topic_subscribers", topic=topic.id) == 2


async def test_what_is_gone_is_counted_no_more(harness: SubscriptionsHarness, owner: asyncpg.Connection) -> None:
    await harness.send_texts("Feedback: Gut")
    for count in (1, 0):
        await harness.metrics.refresh(harness.database)
        assert harness.read_metric("kreisfunk_subscriptions_feedback", kind="text") == count
        await owner.execute("delete from subscriptions.feedback")


async def test_broadcasts_whose_audience_is_being_read_are_counted_by_lane(harness: SubscriptionsHarness) -> None:
    await publish(harness, urgent=True)
    for urgent in (1, 0):
        await harness.metrics.refresh(harness.database)
        counted = [harness.read_metric("kreisfunk_subscriptions_expanding", lane=lane) for lane in ("urgent", "bulk")]
        assert counted == [urgent, 0]
        await harness.expand()


async def test_the_database_is_measured_with_the_rest(harness: SubscriptionsHarness) -> None:
    await harness.metrics.refresh(harness.database)
    assert harness.read_metric("kreisfunk_database_size_bytes") > 0


async def test_each_text_that_a_consent_refers_to_is_stored(harness: SubscriptionsHarness) -> None:
    for _ in range(2):
        async with harness.database.connection() as connection:
            await save_wordings(connection, TEXTS.list_all())
    await harness.send_texts("Start", "nur Stellen", "Stop")
    shown = "select text from subscriptions.consent join subscriptions.wording on hash = wording_hash order by id"
    assert await harness.fetch_rows(shown) == [(text,) for text in harness.list_reply_texts()]
    assert harness.list_reply_texts()[::2] == [TEXTS.receipt.text, TEXTS.unsubscribe_confirmation.text]
