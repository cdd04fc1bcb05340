"""What a notice will take, and when it begins, on a real database."""

import asyncio
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from services.subscriptions.domain.county import Hours
from services.subscriptions.domain.publication import Publication
from shared.contracts.events import BroadcastCancelled, BroadcastStarted, NoticeAccepted, NoticeAction
from shared.outcome import DependencyUnavailable, Done
from tests.factories.citizens import COUNTY, NOON, build_both, build_message
from tests.integration.subscriptions.harness import SubscriptionsHarness, subscribe_many
from tests.integration.subscriptions.notice_factory import publish, withdraw

BROADCASTS = "select notice, revision, state from subscriptions.broadcast order by notice, revision"
WAITING = "select count(*)::int from pg_locks where locktype = 'advisory' and not granted"


async def test_the_answer_says_whom_it_reaches_at_what_cost_and_how_soon(
    stand: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 1_000)
    await publish(stand)
    (accepted,) = stand.publisher.list_messages(NoticeAccepted)
    assert (accepted.action, accepted.audience, accepted.costs) == (
        NoticeAction.PUBLISHED,
        1_000,
        {"utility": "45.60"},
    )
    assert (accepted.duration_seconds, accepted.blockers, accepted.scheduled_at) == (13, (), None)


async def test_permitted_hours_and_expiry_are_blockers(stand: SubscriptionsHarness, owner: asyncpg.Connection) -> None:
    await subscribe_many(owner, 1_000)
    hours = Hours(opens=NOON.replace(hour=15).time(), closes=NOON.replace(hour=16).time())
    stand.use(msgspec.structs.replace(COUNTY, permitted_hours=hours))
    await publish(stand, event_id="1", notice="1")
    await publish(stand, event_id="2", notice="2", expirytime=NOON + timedelta(hours=1))
    await publish(stand, event_id="3", notice="3", expirytime=NOON + timedelta(hours=2, seconds=5))
    await publish(stand, event_id="4", notice="4", urgent=True)
    opens = "2026-11-20T15:00:00+01:00"
    assert [accepted.blockers for accepted in stand.publisher.list_messages(NoticeAccepted)] == [
        (f"outside the permitted hours until {opens}",),
        (f"nobody will get it: it expires before the permitted hours begin at {opens}",),
        (
            f"outside the permitted hours until {opens}",
            "not everybody will get it: it takes about 13 s at today's rate, and expires before",
        ),
        (),
    ]


async def test_a_scheduled_notice_begins_when_it_is_time(
    stand: SubscriptionsHarness, other: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    """Another replica does it: the first one has gone."""
    await subscribe_many(owner, 150)
    moment = NOON + timedelta(hours=2)
    await publish(stand, scheduled_at=moment.isoformat())
    (accepted,) = stand.publisher.list_messages(NoticeAccepted)
    assert (accepted.scheduled_at, accepted.audience) == (moment, 150)
    assert stand.publisher.list_messages(BroadcastStarted) == []
    await stand.expand()
    await stand.parts.expander.start_due()
    assert await stand.fetch_rows(BROADCASTS) == [("L149", 1, "scheduled")]

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


async def test_a_crash_while_it_begins_tells_it_again_and_loses_nothing(stand: SubscriptionsHarness) -> None:
    await publish(stand, scheduled_at=(NOON + timedelta(hours=1)).isoformat())
    stand.now = NOON + timedelta(hours=1)
    stand.publisher.lose = lambda publication: publication.key == "broadcast.started"
    with pytest.raises(DependencyUnavailable):
        await stand.parts.expander.start_due()
    stand.publisher.lose = lambda _: False
    await stand.parts.expander.start_due()
    await stand.parts.expander.start_due()
    first, again = [each for each in stand.publisher.published if each.key == "broadcast.started"]
    assert first == again
    assert await stand.fetch_rows(BROADCASTS) == [("L149", 1, "expanding")]


async def test_one_that_is_withdrawn_while_another_begins_does_not_begin(
    stand: SubscriptionsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        moment = (NOON + timedelta(hours=1, minutes=number)).isoformat()
        await publish(stand, event_id=f"{number}", notice=f"{number}", scheduled_at=moment)
    stand.now, send = NOON + timedelta(hours=2), stand.publisher.publish

    async def withdraw_the_other(publication: Publication) -> None:
        if publication.key == "broadcast.started":
            await withdraw(stand, "1")
        await send(publication)

    monkeypatch.setattr(stand.publisher, "publish", withdraw_the_other)
    await stand.parts.expander.start_due()
    assert [started.notice for started in stand.publisher.list_messages(BroadcastStarted)] == ["0"]
    assert await stand.fetch_rows(BROADCASTS) == [("0", 1, "expanding"), ("1", 1, "cancelled")]


async def test_a_withdrawal_waits_until_the_start_is_announced(
    stand: SubscriptionsHarness, other: SubscriptionsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(stand, scheduled_at=(NOON + timedelta(hours=1)).isoformat())
    stand.now = NOON + timedelta(hours=1)
    send, withdrawals = stand.publisher.publish, []

    async def withdraw_meanwhile(publication: Publication) -> None:
        withdrawals.append(asyncio.create_task(withdraw(other)))
        async with asyncio.timeout(5):
            while not withdrawals[0].done() and await stand.fetch_rows(WAITING) == [(0,)]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await send(publication)
        assert other.publisher.list_messages(BroadcastCancelled) == []

    monkeypatch.setattr(stand.publisher, "publish", withdraw_meanwhile)
    await stand.parts.expander.start_due()
    assert await withdrawals[0] == Done()
    assert len(other.publisher.list_messages(BroadcastCancelled)) == 1
    assert await stand.fetch_rows(BROADCASTS) == [("L149", 1, "cancelled")]


async def test_before_it_is_due_it_can_be_changed_and_withdrawn(
    stand: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    await subscribe_many(owner, 3)
    later = [(NOON + timedelta(hours=hours)).isoformat() for hours in (1, 2)]
    await publish(stand, scheduled_at=later[0])
    await publish(stand, event_id="2", revision=2, scheduled_at=later[1])
    stand.now = NOON + timedelta(hours=1, minutes=1)
    await stand.parts.expander.start_due()
    assert await stand.fetch_rows(BROADCASTS) == [("L149", 1, "cancelled"), ("L149", 2, "scheduled")]
    assert [each.reason for each in stand.publisher.list_messages(BroadcastCancelled)] == ["superseded"]
    await withdraw(stand)
    stand.now = NOON + timedelta(hours=3)
    await stand.parts.expander.start_due()
    await stand.expand()
    assert stand.publisher.list_pages() == []
    assert {state for _, _, state in await stand.fetch_rows(BROADCASTS)} == {"cancelled"}


async def test_a_scheduled_one_is_spread_over_those_whom_it_reaches(stand: SubscriptionsHarness) -> None:
    await stand.receive(*(build_message("Start", sender=build_both(each)) for each in range(4)))
    await stand.receive(build_message("Pause 2 Wochen", sender=build_both(1), seconds=0.5))
    await stand.receive(build_message("Worpswede", sender=build_both(2), seconds=0.5))
    moment = NOON + timedelta(hours=1)
    await publish(stand, scheduled_at=moment.isoformat(), spread_minutes=60, municipalities=["Lilienthal"])
    (accepted,) = stand.publisher.list_messages(NoticeAccepted)
    assert accepted.duration_seconds == 3_600
    stand.now = moment
    await stand.parts.expander.start_due()
    await stand.expand()
    (page,) = stand.publisher.list_pages()
    assert (len(page.recipients), page.spacing_seconds) == (2, 1_800.0)


async def test_urgent_ones_that_are_due_together_begin_first(stand: SubscriptionsHarness) -> None:
    for number, urgent in enumerate((False, True)):
        moment = (NOON + timedelta(hours=1, minutes=number)).isoformat()
        await publish(stand, event_id=f"{number}", notice=f"{number}", scheduled_at=moment, urgent=urgent)
    stand.now = NOON + timedelta(hours=2)
    await stand.parts.expander.start_due()
    assert [started.notice for started in stand.publisher.list_messages(BroadcastStarted)] == ["1", "0"]
