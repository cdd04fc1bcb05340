"""Costs, duration and start of a notice, on a real database."""

import asyncio
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from services.subscriptions.domain.publication import Publication
from shared.contracts.events import BroadcastCancelled, BroadcastStarted, NoticeAccepted, NoticeAction
from shared.notices.configuration import Hours
from shared.outcome import Done
from tests.factories.citizens import COUNTY, NOON, build_both, build_message
from tests.integration.subscriptions.harness import SubscriptionsHarness, subscribe_many
from tests.integration.subscriptions.notice_factory import publish, withdraw

BROADCASTS = "select notice, revision, state from subscriptions.broadcast order by notice, revision"
WAITING = "select count(*)::int from pg_locks where locktype = 'advisory' and not granted"


async def test_the_answer_says_whom_it_reaches_at_what_cost_and_how_soon(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 1_000)
    await publish(harness)
    (accepted,) = harness.publisher.list_messages(NoticeAccepted)
    assert (accepted.action, accepted.audience, accepted.costs) == (
        NoticeAction.PUBLISHED,
        1_000,
        {"utility": "45.60"},
    )
    assert (accepted.duration_seconds, accepted.blockers, accepted.scheduled_at) == (13, (), None)


async def test_permitted_hours_and_expiry_are_blockers(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 1_000)
    hours = Hours(opens=NOON.replace(hour=15).time(), closes=NOON.replace(hour=16).time())
    harness.use(msgspec.structs.replace(COUNTY, permitted_hours=hours))
    await publish(harness, event_id="1", notice="1")
    await publish(harness, event_id="2", notice="2", expirytime=NOON + timedelta(hours=1))
    await publish(harness, event_id="3", notice="3", expirytime=NOON + timedelta(hours=2, seconds=5))
    await publish(harness, event_id="4", notice="4", urgent=True)
    opens = "2026-11-20T15:00:00+01:00"
    assert [accepted.blockers for accepted in harness.publisher.list_messages(NoticeAccepted)] == [
        (f"outside the permitted hours until {opens}",),
        (f"nobody will get it: it expires before the permitted hours begin at {opens}",),
        (
            f"outside the permitted hours until {opens}",
            "not everybody will get it: it takes about 13 s at today's rate, and expires before",
        ),
        (),
    ]


async def test_a_scheduled_notice_begins_when_it_is_time(
    harness: SubscriptionsHarness, other: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    """Another replica does it: the first one has gone."""
    await subscribe_many(owner, 150)
    moment = NOON + timedelta(hours=2)
    await publish(harness, scheduled_at=moment.isoformat())
    (accepted,) = harness.publisher.list_messages(NoticeAccepted)
    assert (accepted.scheduled_at, accepted.audience) == (moment, 150)
    assert harness.publisher.list_messages(BroadcastStarted) == []
    await harness.expand()
    await harness.parts.expander.start_due()
    assert await harness.fetch_rows(BROADCASTS) == [("L149", 1, "scheduled")]

    await other.receive(build_message("Start"))
    other.now = moment
    other.parts.notices.work_available.clear()
    await other.parts.expander.start_due()
    assert other.parts.notices.work_available.is_set()
    await other.expand()
    (started,) = other.publisher.list_messages(BroadcastStarted)
    pages = other.publisher.list_pages()
    assert {page.broadcast for page in pages} == {started.broadcast, accepted.broadcast}
    assert sum(len(page.recipients) for page in pages) == 151
    assert {page.published_at for page in pages} == {moment}


async def test_a_crash_while_it_begins_tells_it_again_and_loses_nothing(harness: SubscriptionsHarness) -> None:
    await publish(harness, scheduled_at=(NOON + timedelta(hours=1)).isoformat())
    harness.now = NOON + timedelta(hours=1)
    with harness.publisher.failing("broadcast.started", arrives=True):
        await harness.parts.expander.start_due()
    await harness.parts.expander.start_due()
    await harness.parts.expander.start_due()
    first, again = [each for each in harness.publisher.published if each.key == "broadcast.started"]
    assert first == again
    assert await harness.fetch_rows(BROADCASTS) == [("L149", 1, "expanding")]


async def test_one_that_is_withdrawn_while_another_begins_does_not_begin(
    harness: SubscriptionsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        moment = (NOON + timedelta(hours=1, minutes=number)).isoformat()
        await publish(harness, event_id=f"{number}", notice=f"{number}", scheduled_at=moment)
    harness.now, send = NOON + timedelta(hours=2), harness.publisher.publish

    async def withdraw_the_other(publication: Publication) -> None:
        if publication.key == "broadcast.started":
            await withdraw(harness, "1")
        await send(publication)

    monkeypatch.setattr(harness.publisher, "publish", withdraw_the_other)
    await harness.parts.expander.start_due()
    assert [started.notice for started in harness.publisher.list_messages(BroadcastStarted)] == ["0"]
    assert await harness.fetch_rows(BROADCASTS) == [("0", 1, "expanding"), ("1", 1, "cancelled")]


async def test_a_withdrawal_waits_until_the_start_is_announced(
    harness: SubscriptionsHarness, other: SubscriptionsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(harness, scheduled_at=(NOON + timedelta(hours=1)).isoformat())
    harness.now = NOON + timedelta(hours=1)
    send, withdrawals = harness.publisher.publish, []

    async def withdraw_meanwhile(publication: Publication) -> None:
        withdrawals.append(asyncio.create_task(withdraw(other)))
        async with asyncio.timeout(5):
            while not withdrawals[0].done() and await harness.fetch_rows(WAITING) == [(0,)]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await send(publication)
        assert other.publisher.list_messages(BroadcastCancelled) == []

    monkeypatch.setattr(harness.publisher, "publish", withdraw_meanwhile)
    await harness.parts.expander.start_due()
    assert await withdrawals[0] == Done()
    assert len(other.publisher.list_messages(BroadcastCancelled)) == 1
    assert await harness.fetch_rows(BROADCASTS) == [("L149", 1, "cancelled")]


async def test_before_it_is_due_it_can_be_changed_and_withdrawn(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 3)
    later = [(NOON + timedelta(hours=hours)).isoformat() for hours in (1, 2)]
    await publish(harness, scheduled_at=later[0])
    await publish(harness, event_id="2", revision=2, scheduled_at=later[1])
    harness.now = NOON + timedelta(hours=1, minutes=1)
    await harness.parts.expander.start_due()
    assert await harness.fetch_rows(BROADCASTS) == [("L149", 1, "cancelled"), ("L149", 2, "scheduled")]
    assert [each.reason for each in harness.publisher.list_messages(BroadcastCancelled)] == ["superseded"]
    await withdraw(harness)
    harness.now = NOON + timedelta(hours=3)
    await harness.parts.expander.start_due()
    await harness.expand()
    assert harness.publisher.list_pages() == []
    assert {state for _, _, state in await harness.fetch_rows(BROADCASTS)} == {"cancelled"}


async def test_a_scheduled_one_is_spread_over_those_whom_it_reaches(harness: SubscriptionsHarness) -> None:
    await harness.receive(*(build_message("Start", sender=build_both(each)) for each in range(4)))
    await harness.receive(build_message("Pause 2 Wochen", sender=build_both(1), seconds=0.5))
    await harness.receive(build_message("Worpswede", sender=build_both(2), seconds=0.5))
    moment = NOON + timedelta(hours=1)
    await publish(harness, scheduled_at=moment.isoformat(), spread_minutes=60, municipalities=["Lilienthal"])
    (accepted,) = harness.publisher.list_messages(NoticeAccepted)
    assert accepted.duration_seconds == 3_600
    harness.now = moment
    await harness.parts.expander.start_due()
    await harness.expand()
    (page,) = harness.publisher.list_pages()
    assert (len(page.recipients), page.spacing_seconds) == (2, 1_800.0)


async def test_urgent_ones_that_are_due_together_begin_first(harness: SubscriptionsHarness) -> None:
    for number, urgent in enumerate((False, True)):
        moment = (NOON + timedelta(hours=1, minutes=number)).isoformat()
        await publish(harness, event_id=f"{number}", notice=f"{number}", scheduled_at=moment, urgent=urgent)
    harness.now = NOON + timedelta(hours=2)
    await harness.parts.expander.start_due()
    assert [started.notice for started in harness.publisher.list_messages(BroadcastStarted)] == ["1", "0"]
