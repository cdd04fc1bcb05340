"""What runs from time to time, on a real database."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from services.subscriptions.adapters.metrics import Metrics
from services.subscriptions.adapters.people import save_wordings
from services.subscriptions.adapters.retention import INBOX_KEPT, rules
from shared.database.retention import Retention
from tests.databases import Database
from tests.integration.subscriptions.audience import as_owner
from tests.integration.subscriptions.stand import Stand
from tests.unit.subscriptions.material import COUNTY, TEXTS, both, message

INBOX = "select count(*) from subscriptions.inbox"


async def fill(stand: Stand, messages: int) -> None:
    await stand.receive(*(message("👍", kind="reaction", sender=both(each)) for each in range(messages)))


async def test_the_inbox_is_forgotten_step_by_step_and_not_too_soon(stand: Stand, database: Database) -> None:
    await fill(stand, 25)
    steps: list[tuple[str, int]] = []
    kept = {"inbox": rules(COUNTY)["inbox"]}
    inbox = Retention(database=stand.database, rules=kept, count=lambda kind, rows: steps.append((kind, rows)), step=10)
    await inbox.run()
    assert await stand.rows(INBOX) == [(25,)]

    await as_owner(database, "update subscriptions.inbox set handled_at = now() - $1::interval", INBOX_KEPT)
    await inbox.run()
    assert await stand.rows(INBOX) == [(0,)]
    assert steps == [("inbox", 10), ("inbox", 10), ("inbox", 5)]
    assert timedelta(days=8) < INBOX_KEPT


async def test_people_are_counted_by_state(stand: Stand) -> None:
    await stand.receive(*(message("Start", sender=both(each)) for each in range(3)))
    await stand.receive(message("Stop", sender=both(1), seconds=5))
    registry = CollectorRegistry()
    await Metrics(registry).refresh(stand.database)
    people = {
        state: registry.get_sample_value("kreisfunk_subscriptions_subscribers", {"state": state})
        for state in ("subscribed", "unsubscribed", "merged")
    }
    assert people == {"subscribed": 2, "unsubscribed": 1, "merged": 0}
    assert registry.get_sample_value("kreisfunk_subscriptions_expanding") == 0


async def test_each_text_that_a_consent_refers_to_is_kept(stand: Stand) -> None:
    for _ in range(2):
        await save_wordings(stand.database, TEXTS.all())
    await stand.receive(message("Start"), message("Stop", seconds=3))
    shown = "select text from subscriptions.consent join subscriptions.wording on hash = wording_hash order by id"
    assert await stand.rows(shown) == [(TEXTS.receipt.text,), (TEXTS.farewell.text,)]
