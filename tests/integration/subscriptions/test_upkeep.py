"""What runs from time to time, on a real database."""

from datetime import timedelta
from functools import partial

from prometheus_client import CollectorRegistry

from services.subscriptions.adapters.metrics import Metrics
from services.subscriptions.adapters.people import forget, save_wordings
from services.subscriptions.handlers.upkeep import INBOX_KEPT, Retention
from shared.runtime.clock import system_clock
from tests.integration.subscriptions.stand import Stand
from tests.unit.subscriptions.material import TEXTS, both, message

INBOX = "select count(*) from subscriptions.inbox"


async def fill(stand: Stand, messages: int) -> None:
    await stand.receive(*(message("👍", kind="reaction", sender=both(each)) for each in range(messages)))


async def test_the_inbox_is_forgotten_step_by_step_and_not_too_soon(stand: Stand) -> None:
    await fill(stand, 25)
    early = Retention(forget=partial(forget, stand.database, step=10), clock=system_clock)
    await early.run()
    assert await stand.rows(INBOX) == [(25,)]

    late = Retention(
        forget=partial(forget, stand.database, step=10),
        clock=lambda: system_clock() + INBOX_KEPT + timedelta(minutes=1),
    )
    await late.run()
    assert await stand.rows(INBOX) == [(0,)]
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
