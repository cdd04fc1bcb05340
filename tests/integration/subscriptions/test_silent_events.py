"""Events that send nothing are stored, too: so a system may send only so many of them."""

from datetime import timedelta

import asyncpg
import pytest

from services.subscriptions.domain.quotas import SILENT_EVENTS
from shared.outcome import Done, Rejected
from tests.factories.citizens import NOON
from tests.integration.subscriptions.harness import SubscriptionsHarness
from tests.integration.subscriptions.notice_factory import LOGIN, SOURCE, publish, withdraw
from tests.integration.subscriptions.test_notice_commands import problems, with_quotas

_EVENTS = """
insert into subscriptions.notice_event (source, event, digest, system, counts, urgent, publications, handled_at)
select $1, 'silent ' || n, '\\x01', $2, false, false, '\\x90', $4 from generate_series(1, $3::int) n
"""
_NOTICES = "select notice from subscriptions.notice order by notice"


@pytest.fixture
async def full(harness: SubscriptionsHarness, owner: asyncpg.Connection) -> SubscriptionsHarness:
    """A notice was published, and then only events that sent nothing, until the quota was used up."""
    harness.use(with_quotas(day=5))
    assert await publish(harness) == Done()
    await owner.execute(_EVENTS, SOURCE, LOGIN, SILENT_EVENTS + 5, harness.now)
    harness.now += timedelta(minutes=1)
    return harness


async def test_withdrawals_of_what_nobody_knows_and_repeats_under_new_ids_have_a_quota(
    full: SubscriptionsHarness,
) -> None:
    again = (NOON + timedelta(seconds=1, hours=24)).isoformat(timespec="seconds")
    said = (
        f"this system may publish {SILENT_EVENTS + 5} events that send nothing in 24 hours; the next one from {again}"
    )
    assert isinstance(await withdraw(full, "unknown"), Rejected)
    assert problems(full) == {"quota": said}
    assert isinstance(await publish(full, event_id="the same content"), Rejected)
    assert problems(full) == {"quota": said}
    assert await full.fetch_rows(_NOTICES) == [("L149",)]
    full.now += timedelta(hours=24)
    assert await withdraw(full, "unknown") == Done()


async def test_a_notice_can_always_be_withdrawn_once_and_others_published(full: SubscriptionsHarness) -> None:
    assert await publish(full, event_id="another", notice="another") == Done()
    assert await withdraw(full) == Done()
    assert await full.fetch_rows("select state from subscriptions.broadcast where notice = 'L149'") == [("cancelled",)]
    assert isinstance(await withdraw(full, event_id="once more"), Rejected)
    assert set(problems(full)) == {"quota"}


async def test_the_same_event_again_is_answered_although_the_quota_is_used_up(full: SubscriptionsHarness) -> None:
    assert await publish(full) == Done()
