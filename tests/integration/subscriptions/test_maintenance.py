"""What runs from time to time, on a real database."""

import asyncpg

from services.subscriptions.adapters.consents import save_wordings
from tests.factories.citizens import COUNTY, TEXTS, build_both, build_message
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import publish


async def test_people_are_counted_by_state(stand: SubscriptionsHarness) -> None:
    await stand.receive(*(build_message("Start", sender=build_both(each)) for each in range(3)))
    await stand.receive(build_message("Stop", sender=build_both(1), seconds=5))
    await stand.metrics.refresh(stand.database)
    for state, people in {"subscribed": 2, "unsubscribed": 1, "merged": 0}.items():
        assert stand.read_metric("kreisfunk_subscriptions_subscribers", state=state) == people
    for topic in COUNTY.topics:
        assert stand.read_metric("kreisfunk_subscriptions_topic_subscribers", topic=topic.id) == 2


async def test_what_is_gone_is_counted_no_more(stand: SubscriptionsHarness, owner: asyncpg.Connection) -> None:
    await stand.send_texts("Feedback: Gut")
    for kept in (1, 0):
        await stand.metrics.refresh(stand.database)
        assert stand.read_metric("kreisfunk_subscriptions_feedback", kind="text") == kept
        await owner.execute("delete from subscriptions.feedback")


async def test_broadcasts_whose_audience_is_being_read_are_counted_by_lane(stand: SubscriptionsHarness) -> None:
    await publish(stand, urgent=True)
    for urgent in (1, 0):
        await stand.metrics.refresh(stand.database)
        counted = [stand.read_metric("kreisfunk_subscriptions_expanding", lane=lane) for lane in ("urgent", "bulk")]
        assert counted == [urgent, 0]
        await stand.expand()


async def test_the_database_is_measured_with_the_rest(stand: SubscriptionsHarness) -> None:
    await stand.metrics.refresh(stand.database)
    assert stand.read_metric("kreisfunk_database_size_bytes") > 0


async def test_each_text_that_a_consent_refers_to_is_kept(stand: SubscriptionsHarness) -> None:
    for _ in range(2):
        async with stand.database.connection() as connection:
            await save_wordings(connection, TEXTS.list_all())
    await stand.send_texts("Start", "nur Stellen", "Stop")
    shown = "select text from subscriptions.consent join subscriptions.wording on hash = wording_hash order by id"
    assert await stand.fetch_rows(shown) == [(text,) for text in stand.list_reply_texts()]
    assert stand.list_reply_texts()[::2] == [TEXTS.receipt.text, TEXTS.unsubscribe_confirmation.text]
