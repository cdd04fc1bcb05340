"""Causes of waiting: hours, spread, people a day, budget, pauses; until they are gone, what waits costs nothing."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import asyncpg
import msgspec
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresAccount, PostgresRateLimiter
from services.dispatcher.domain.account import AccountReport, AccountUpdate
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.maintenance import requeue_waiting
from shared.contracts.dispatch import PermittedHours, Withdrawal
from shared.contracts.hours import LOCAL_ZONE, find_opening, find_turn
from shared.contracts.ids import delivery_id
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from shared.encryption import BlindIndexKey
from tests.databases import wait_until_locked
from tests.factories.ids import generate_id
from tests.integration.dispatcher.factories import (
    NUMBER,
    PERSON,
    add_waiting,
    build_batch,
    build_batch_message,
    build_record,
    claim,
    claim_new,
    claim_subscribers,
    find_closed_hours,
    generate_subscribers,
    limit,
    states,
    waits_for,
)

MOMENTS = [datetime(2026, 3, 29, hour, minute, tzinfo=UTC) for hour in range(24) for minute in (0, 1, 59)] + [
    datetime(2026, 10, 25, hour, tzinfo=UTC) + timedelta(minutes=minute) for hour in range(24) for minute in (0, 30)
]
HOURS = [(time(8), time(20)), (time(2, 30), time(3)), (time(0), time(23, 59))]


async def test_the_hours_in_sql_are_the_hours_in_python_on_the_days_when_clocks_change(pool: Pool) -> None:
    for opens, closes in HOURS:
        for moment in MOMENTS:
            told = await pool.fetchval("select dispatcher.opening($1, $2, 'Europe/Berlin', $3)", opens, closes, moment)
            assert told == find_opening(opens, closes, "Europe/Berlin", moment), (opens, closes, moment)


async def test_turns_in_sql_are_the_turns_in_python_on_the_days_when_clocks_change(pool: Pool) -> None:
    statement = "select dispatcher.turn($1, $2, 'Europe/Berlin', $3, $4)"
    for opens, closes in HOURS:
        for moment in MOMENTS[::3]:
            for minutes in (0, 29, 30, 600, 1439, 1440, 4000):
                waited = timedelta(minutes=minutes)
                told = await pool.fetchval(statement, opens, closes, moment, waited.total_seconds())
                local = moment.astimezone(LOCAL_ZONE)  # adding to it would count by the clock on the wall
                assert told == find_turn(opens, closes, "Europe/Berlin", local, waited), (opens, moment, minutes)


async def test_a_spread_gives_each_recipient_its_turn(ledger: PostgresLedger) -> None:
    message = msgspec.structs.replace(build_batch_message(generate_subscribers(10)), spacing_seconds=3600.0)
    assert len(await claim(ledger, message)) == 1
    assert await waits_for(ledger, message.broadcast) == {"spread": 9}
    rows = await ledger.database.fetch(
        "select due_at from dispatcher.delivery where due_at is not null order by due_at"
    )
    steps = {later["due_at"] - earlier["due_at"] for earlier, later in pairwise(rows)}
    assert steps == {timedelta(hours=1)}


async def test_a_spread_that_is_published_outside_the_hours_begins_with_them(ledger: PostgresLedger) -> None:
    message = build_batch_message(generate_subscribers(3), expires_in=2 * 86_400)
    hours = find_closed_hours(message.published_at)
    assert await claim(ledger, msgspec.structs.replace(message, hours=hours, spacing_seconds=60.0)) == []
    opening = find_opening(hours.opens, hours.closes, hours.zone, message.published_at)
    rows = await ledger.database.fetch("select due_at from dispatcher.delivery order by due_at")
    assert [row["due_at"] - opening for row in rows] == [timedelta(minutes=minute) for minute in range(3)]


async def test_a_spread_that_the_end_of_the_hours_interrupts_goes_on_with_them(ledger: PostgresLedger) -> None:
    """Not with all turns of the night at once."""
    message = build_batch_message(generate_subscribers(5), expires_in=3 * 86_400)
    noon = 12 - message.published_at.hour  # where it is noon now
    hours = PermittedHours(opens=time(11), closes=time(13), zone=f"Etc/GMT{-noon:+}")
    assert len(await claim(ledger, msgspec.structs.replace(message, hours=hours, spacing_seconds=3600.0))) == 1
    rows = await ledger.database.fetch("select due_at from dispatcher.delivery where due_at is not null order by 1")
    turns = [row["due_at"] - message.published_at for row in rows]
    assert turns == [timedelta(hours=each) for each in (23, 24, 47, 48)]


@pytest.mark.parametrize("cause", ["resume", "template"])
async def test_whoever_has_a_turn_keeps_it_over_a_pause_and_nobody_is_due_earlier(
    ledger: PostgresLedger, cause: str
) -> None:
    """Some get their turn before the pause, some during it; two turns have come by then."""
    message = msgspec.structs.replace(build_batch_message(generate_subscribers(10)), spacing_seconds=3600.0)
    batch = build_batch(message)
    await ledger.register(message, batch.content)
    assert len(await ledger.claim_batch(batch, 5)) == 1
    await ledger.database.fetchval(
        "update dispatcher.broadcast set published_at = published_at - interval '150 minutes'"
    )
    await ledger.database.fetchval("update dispatcher.delivery set due_at = due_at - interval '150 minutes'")
    if cause == "resume":
        await ledger.pause_broadcast(message.broadcast, "a test")
    else:
        await ledger.pause_template("t/de", "paused")
    batch.position = 5
    assert await ledger.claim_batch(batch, 5) == []
    await ledger.requeue_waiting(100)
    assert await waits_for(ledger, message.broadcast) == {cause: 2, "spread": 7}
    due, _ = await ledger.find_work()
    assert not due
    await ledger.database.fetchval("update dispatcher.broadcast set paused_reason = null")
    await ledger.database.fetchval("delete from dispatcher.template_pause")
    await ledger.requeue_waiting(100)
    rows = await ledger.database.fetch("""
        select d.due_at - b.published_at as turn from dispatcher.delivery d join dispatcher.broadcast b
        on b.id = d.source where waits_for = 'spread' order by 1""")
    assert [row["turn"] for row in rows] == [timedelta(hours=hour) for hour in range(3, 10)]
    assert len(await ledger.claim_due(Lane.BULK, 10)) == 2


async def test_no_more_different_people_a_day_than_meta_permits_however_many_claim(ledger: PostgresLedger) -> None:
    await limit(ledger, people=25)
    found = await asyncio.gather(*(claim_new(ledger, 10) for _ in range(6)))
    assert sum(len(claims) for _, claims in found) == 25
    waiting = [await waits_for(ledger, source) for source, _ in found]
    assert sum(one.get("people", 0) for one in waiting) == 35


async def test_a_person_counts_once_whichever_key_made_the_hash_of_their_address_and_again_after_a_day(
    ledger: PostgresLedger,
) -> None:
    await limit(ledger, people=10)
    first, key = build_batch_message(generate_subscribers(10)), BlindIndexKey(bytes(64))
    lifted = msgspec.structs.replace(PERSON, index=key.upgrade(PERSON.index))
    again = tuple(msgspec.structs.replace(one, address=lifted) for one in first.recipients)
    assert len(await claim(ledger, first)) == 10
    assert len(await claim(ledger, msgspec.structs.replace(first, broadcast=generate_id(), recipients=again))) == 10
    assert await claim_subscribers(ledger) == []
    for table in ("reached", "reached_minute"):
        await ledger.database.fetchval(f"update dispatcher.{table} set minute = minute - interval '25 hours'")  # noqa: S608
    assert len(await claim_subscribers(ledger, 10)) == 10


@pytest.mark.parametrize("told_by", ["Meta", "the setting"])
async def test_a_limit_after_a_time_without_one_counts_who_was_reached_meanwhile(
    ledger: PostgresLedger, told_by: str
) -> None:
    """Ten, each by two broadcasts, one of them already ended; not who is only to get one, nor who got one yesterday."""
    account = PostgresAccount(ledger.database, number=NUMBER)
    if told_by == "Meta":
        await limit(ledger, people=10)
        unlimited = AccountReport(AccountUpdate.LIMIT, "people a day", "TIER_UNLIMITED")
        await account.apply(unlimited, at=datetime.now(UTC) - timedelta(minutes=1))
    yesterday, first, later = (build_batch_message(generate_subscribers(10)) for _ in range(3))
    again = msgspec.structs.replace(first, broadcast=generate_id())
    await claim(ledger, yesterday)
    await ledger.database.fetchval("update dispatcher.delivery set claimed_at = claimed_at - interval '25 hours'")
    assert [len(await claim(ledger, one)) for one in (first, again)] == [10, 10]
    await ledger.database.fetchval("update dispatcher.broadcast set finished_at = now() where id = $1", first.broadcast)
    await ledger.pause_template("t/de", "paused")
    assert await claim(ledger, later) == []
    await ledger.database.fetchval("delete from dispatcher.template_pause")
    if told_by == "Meta":
        tier = AccountReport(AccountUpdate.LIMIT, "people a day", "11", limit=11)
        assert await account.apply(tier, at=datetime.now(UTC))
    else:
        await limit(ledger, people=11)
    assert len(await claim_subscribers(ledger, 2)) == 1
    third = msgspec.structs.replace(first, broadcast=generate_id())
    assert len(await claim(ledger, third)) == 10
    assert await ledger.database.fetchval("select count(*) from dispatcher.reached") == 11
    assert await ledger.database.fetchval("select sum(people)::int from dispatcher.reached_minute") == 11


@pytest.mark.parametrize("number", [NUMBER, "700800900100201"])
async def test_a_limit_that_begins_and_rises_permits_no_more_than_it_says_also_for_a_new_number(
    ledger: PostgresLedger, number: str
) -> None:
    """Meta limits what all numbers of an account send together."""
    assert len(await claim_subscribers(ledger, 30)) == 30
    limiter = PostgresRateLimiter(ledger.database, number, 100, 10)
    await limiter.set_up()
    later = PostgresLedger(ledger.database, number=number, slot=3)
    assert await claim_subscribers(later) == []
    await replace(limiter, people_a_day=40).set_up()
    assert len(await claim_subscribers(later, 20)) == 10


async def test_a_replica_that_starts_without_a_limit_takes_that_of_the_others_away_for_a_minute_at_most(
    ledger: PostgresLedger,
) -> None:
    """One with the old setting that starts again during an update; a tier that Meta reported stays."""
    limiter = PostgresRateLimiter(ledger.database, NUMBER, 100, 10, 7)
    await limiter.set_up()
    await limit(ledger)
    await limiter.keep_limits()
    assert len(await claim_subscribers(ledger, 12)) == 7
    tier = AccountReport(AccountUpdate.LIMIT, "people a day", "5", limit=5)
    assert await PostgresAccount(ledger.database, number=NUMBER).apply(tier, at=datetime.now(UTC))
    for _ in range(2):
        await limiter.keep_limits()
        row = await ledger.database.fetchrow(
            "select people_setting, people_a_day, messages_a_month from dispatcher.rate"
        )
        assert tuple(row) == (10, 5, 7)


async def test_replicas_with_different_limits_do_not_take_turns(pool: Pool) -> None:
    """During an update the last one that started decides, and a tier that Meta reported stays."""
    old, new = (PostgresRateLimiter(pool, NUMBER, 100, *some) for some in ((10, 7), (20, 9)))
    for limiter in (old, new):
        await limiter.set_up()
    tier = AccountReport(AccountUpdate.LIMIT, "people a day", "5", limit=5)
    assert await PostgresAccount(pool, number=NUMBER).apply(tier, at=datetime.now(UTC))
    for limiter in (old, new):
        await limiter.keep_limits()
        row = await pool.fetchrow("select people_setting, people_a_day, messages_a_month from dispatcher.rate")
        assert tuple(row) == (20, 5, 9)


async def test_what_is_claimed_while_a_limit_begins_counts(ledger: PostgresLedger, owner: asyncpg.Connection) -> None:
    """It takes seconds to note who was reached by then."""
    async with owner.transaction():
        await owner.execute("lock table dispatcher.reached_minute in exclusive mode")
        beginning = asyncio.create_task(limit(ledger, people=10))
        await wait_until_locked(ledger.database)
        claiming = asyncio.create_task(claim_subscribers(ledger, 5))
        await wait_until_locked(ledger.database, 2)
    await beginning
    assert len(await claiming) == 5
    assert len(await claim_subscribers(ledger, 20)) == 5


async def test_the_budget_of_a_month_is_a_hard_stop_until_it_is_raised(ledger: PostgresLedger) -> None:
    await limit(ledger, messages=7)
    source, claims = await claim_new(ledger, 10)
    assert len(claims) == 7
    assert await waits_for(ledger, source) == {"budget": 3}
    await limit(ledger, messages=9)
    assert await ledger.requeue_waiting(100) == 2
    assert len(await ledger.claim_due(Lane.BULK, 10)) == 2


async def test_a_template_that_is_paused_in_another_language_delays_nothing(ledger: PostgresLedger) -> None:
    await ledger.pause_template("t/en_US", "rejected")
    assert len(await claim_subscribers(ledger, 5)) == 5


WAITING = 20_000


async def test_as_many_are_woken_as_there_is_room_for(ledger: PostgresLedger, owner: asyncpg.Connection) -> None:
    await limit(ledger, people=1)
    crowd, _ = await claim_new(ledger)
    await add_waiting(owner, crowd, "people", WAITING, None)
    await limit(ledger, people=51)
    for _ in range(3):
        await requeue_waiting(ledger)
    due = await owner.fetchval("select count(*) from dispatcher.delivery where due_at <= now()")
    assert due == 50
    claims = [one for _ in range(8) for one in await ledger.claim_due(Lane.BULK, 8)]
    await requeue_waiting(ledger)
    assert len(claims) == 50
    assert await waits_for(ledger, crowd) == {"people": WAITING - 50}


async def test_what_is_due_but_has_no_room_waits_at_once(ledger: PostgresLedger, owner: asyncpg.Connection) -> None:
    await limit(ledger, people=1)
    crowd, _ = await claim_new(ledger)
    await add_waiting(owner, crowd, "rate", WAITING, -timedelta(minutes=1))
    await requeue_waiting(ledger)
    assert await waits_for(ledger, crowd) == {"people": WAITING}


async def test_what_was_woken_outside_the_hours_waits_for_the_opening(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    hours = find_closed_hours(datetime.now(UTC))
    message = msgspec.structs.replace(build_batch_message(generate_subscribers(1)), hours=hours)
    await claim(ledger, message)
    await add_waiting(owner, message.broadcast, "rate", WAITING, -timedelta(minutes=1))
    await requeue_waiting(ledger)
    assert await waits_for(ledger, message.broadcast) == {"hours": WAITING + 1}
    assert await ledger.claim_due(Lane.BULK, 8) == []


async def test_who_has_stopped_waits_for_no_turn_and_is_counted_once(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    subscribers = generate_subscribers(10)
    message = msgspec.structs.replace(build_batch_message(subscribers), spacing_seconds=3600.0)
    for person in subscribers[1:4]:
        await ledger.withdraw(Withdrawal(subscriber=person, sequence=1))
    await claim(ledger, message)
    expected = {"claimed": 1, "suppressed": 3, "waiting": 6}
    assert await states(ledger, message.broadcast) == expected
    # Time goes by until everybody has had a turn.
    await owner.execute("update dispatcher.delivery set due_at = now() where due_at is not null")
    await owner.execute("update dispatcher.broadcast set spacing = null")
    while await ledger.claim_due(Lane.BULK, 4):
        pass
    await requeue_waiting(ledger)
    expected = {"claimed": 7, "suppressed": 3}
    assert await states(ledger, message.broadcast) == expected


async def test_those_behind_who_must_not_get_it_any_more_are_claimed_at_once(ledger: PostgresLedger) -> None:
    gone, there = (build_batch_message(generate_subscribers(count)) for count in (40, 5))
    for message in (gone, there):
        await ledger.record([build_record(one, DeliveryState.WAITING) for one in await claim(ledger, message)])
    for recipient in gone.recipients:
        await ledger.withdraw(Withdrawal(subscriber=recipient.subscriber, sequence=recipient.sequence + 1))
    found = await ledger.claim_due(Lane.BULK, 10)
    assert {one.delivery for one in found} == {delivery_id(there.broadcast, one.subscriber) for one in there.recipients}


async def test_the_budget_counts_a_message_once_however_often_it_is_claimed(ledger: PostgresLedger) -> None:
    await limit(ledger, messages=2)
    _, (one,) = await claim_new(ledger)
    for _ in range(9):
        await ledger.record([build_record(one, DeliveryState.WAITING, attempted=False)])
        (one,) = await ledger.claim_due(Lane.BULK, 1)
    assert await ledger.database.fetchval("select sum(messages)::int from dispatcher.sent_month") == 1
    assert len(await claim_subscribers(ledger, 1)) == 1


async def test_replicas_that_get_the_same_batch_count_nobody_again(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """Two at once, of which the second chose before the first has committed, and a third one later."""
    await limit(ledger, people=20, messages=20)
    message = build_batch_message(generate_subscribers(5))
    async with owner.transaction():
        await owner.execute("select from dispatcher.rate for update")
        claiming = [asyncio.create_task(claim(ledger, message)) for _ in range(2)]
        await wait_until_locked(ledger.database, 2)
    assert sorted([len(await each) for each in claiming]) == [0, 5]
    assert await claim(ledger, message) == []
    assert await ledger.database.fetchval("select sum(messages)::int from dispatcher.sent_month") == 5
    assert await ledger.database.fetchval("select sum(people)::int from dispatcher.reached_minute") == 5
