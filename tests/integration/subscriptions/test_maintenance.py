"""What runs from time to time, on a real database."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from services.subscriptions.adapters.consents import save_wordings
from services.subscriptions.adapters.metrics import Metrics
from services.subscriptions.adapters.retention import INBOX_RETENTION, build_retention_rules
from shared.database.retention import Retention
from tests.databases import FreshDatabase
from tests.factories.citizens import COUNTY, TEXTS, build_both, build_message
from tests.integration.subscriptions.audience import run_as_owner
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import publish

INBOX = "select count(*) from subscriptions.inbox"


async def fill(stand: SubscriptionsHarness, messages: int) -> None:
    await stand.receive(*(build_message("👍", kind="reaction", sender=build_both(each)) for each in range(messages)))


async def test_the_inbox_is_forgotten_step_by_step_and_not_too_soon(
    stand: SubscriptionsHarness, database: FreshDatabase
) -> None:
    await fill(stand, 25)
    steps: list[tuple[str, int]] = []
    kept = {"inbox": build_retention_rules(COUNTY)["inbox"]}
    inbox = Retention(
        database=stand.database, rules=kept, on_deleted=lambda kind, rows: steps.append((kind, rows)), max_rows=10
    )
    await inbox.run()
    assert await stand.fetch_rows(INBOX) == [(25,)]

    await run_as_owner(database, "update subscriptions.inbox set handled_at = now() - $1::interval", INBOX_RETENTION)
    await inbox.run()
    assert await stand.fetch_rows(INBOX) == [(0,)]
    assert steps == [("inbox", 10), ("inbox", 10), ("inbox", 5)]
    assert timedelta(days=8) < INBOX_RETENTION


async def test_people_are_counted_by_state(stand: SubscriptionsHarness) -> None:
    await stand.receive(*(build_message("Start", sender=build_both(each)) for each in range(3)))
    await stand.receive(build_message("Stop", sender=build_both(1), seconds=5))
    registry = CollectorRegistry()
    await Metrics(registry).refresh(stand.database)
    people = {
        state: registry.get_sample_value("kreisfunk_subscriptions_subscribers", {"state": state})
        for state in ("subscribed", "unsubscribed", "merged")
    }
    assert people == {"subscribed": 2, "unsubscribed": 1, "merged": 0}
    topics = [
        registry.get_sample_value("kreisfunk_subscriptions_topic_subscribers", {"topic": topic.id})
        for topic in COUNTY.topics
    ]
    assert topics == [2] * len(COUNTY.topics)


async def test_broadcasts_whose_audience_is_being_read_are_counted_by_lane(stand: SubscriptionsHarness) -> None:
    await publish(stand, urgent=True)
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for expected in ({"urgent": 1, "bulk": 0}, {"urgent": 0, "bulk": 0}):
        await metrics.refresh(stand.database)
        counted = {
            lane: registry.get_sample_value("kreisfunk_subscriptions_expanding", {"lane": lane}) for lane in expected
        }
        assert counted == expected
        while await stand.parts.expander.expand_next():
            pass


async def test_the_database_is_measured_with_the_rest(stand: SubscriptionsHarness) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    assert registry.get_sample_value("kreisfunk_database_size_bytes") is None
    await metrics.refresh(stand.database)
    values = [registry.get_sample_value(f"kreisfunk_database_{name}") for name in ("size_bytes", "commits_total")]
    assert all(value is not None and value > 0 for value in values)
    connections, most = [
        registry.get_sample_value(f"kreisfunk_database_{name}") or 0 for name in ("connections", "max_connections")
    ]
    assert 0 < connections < most


async def test_each_text_that_a_consent_refers_to_is_kept(stand: SubscriptionsHarness) -> None:
    for _ in range(2):
        await save_wordings(stand.database, TEXTS.list_all())
    await stand.receive(build_message("Start"), build_message("Stop", seconds=3))
    shown = "select text from subscriptions.consent join subscriptions.wording on hash = wording_hash order by id"
    assert await stand.fetch_rows(shown) == [(TEXTS.receipt.text,), (TEXTS.unsubscribe_confirmation.text,)]
