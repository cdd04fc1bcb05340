"""What else makes a delivery wait: hours, spread, people a day, budget, pauses; on a real PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import asyncpg
import msgspec
import pytest

from services.dispatcher.adapters.account import PostgresAccount
from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from services.dispatcher.domain.account import AccountReport, AccountUpdate
from services.dispatcher.ports import Claim
from shared.contracts.dispatch import BroadcastBatch, PermittedHours
from shared.contracts.hours import find_opening
from shared.contracts.message import Address, AddressKind, Lane
from shared.database.pool import Database as Pool
from shared.encryption import BlindIndexKey
from tests.integration.dispatcher.conftest import NUMBER
from tests.integration.dispatcher.factories import (
    build_batch,
    build_batch_message,
    generate_subscribers,
    wait_until_locked,
)

MOMENTS = [datetime(2026, 3, 29, hour, minute, tzinfo=UTC) for hour in range(24) for minute in (0, 1, 59)] + [
    datetime(2026, 10, 25, hour, tzinfo=UTC) + timedelta(minutes=minute) for hour in range(24) for minute in (0, 30)
]
HOURS = [(time(8), time(20)), (time(2, 30), time(3)), (time(0), time(23, 59))]


async def claim(ledger: PostgresLedger, message: BroadcastBatch, limit: int = 100) -> list[Claim]:
    batch = build_batch(message)
    await ledger.register(message, batch.content)
    return await ledger.claim_batch(batch, limit)


async def waits_for(pool: Pool, message: BroadcastBatch) -> dict[str | None, int]:
    statement = """
        select waits_for, count(*) from dispatcher.delivery
        where source = $1 and state = 'waiting' group by waits_for"""
    async with pool.connection() as connection:
        rows = await connection.fetch(statement, message.broadcast)
    return {row["waits_for"]: row["count"] for row in rows}


def different_people(message: BroadcastBatch) -> BroadcastBatch:
    """Each recipient with an address of its own."""
    recipients = tuple(
        msgspec.structs.replace(
            one, address=Address(kind=AddressKind.PHONE, index=one.subscriber.bytes, sealed=b"s" * 40)
        )
        for one in message.recipients
    )
    return msgspec.structs.replace(message, recipients=recipients)


async def limit(pool: Pool, *, people: int | None = None, messages: int | None = None) -> None:
    await PostgresRateLimiter(pool, NUMBER, 100, people, messages).set_up()


async def test_the_hours_in_sql_are_the_hours_in_python_on_the_days_when_clocks_change(pool: Pool) -> None:
    async with pool.connection() as connection:
        for opens, closes in HOURS:
            for moment in MOMENTS:
                told = await connection.fetchval(
                    "select dispatcher.opening($1, $2, 'Europe/Berlin', $3)", opens, closes, moment
                )
                assert told == find_opening(opens, closes, "Europe/Berlin", moment), (opens, closes, moment)


async def test_outside_its_hours_a_broadcast_waits_for_the_opening(ledger: PostgresLedger, pool: Pool) -> None:
    local = datetime.now(UTC)
    closed = PermittedHours(
        opens=(local + timedelta(hours=2)).time(), closes=(local + timedelta(hours=3)).time(), zone="UTC"
    )
    if closed.opens > closed.closes:
        closed = PermittedHours(opens=time(3), closes=time(4), zone="UTC")
    message = msgspec.structs.replace(build_batch_message(generate_subscribers(4)), hours=closed)
    assert await claim(ledger, message) == []
    assert await waits_for(pool, message) == {"hours": 4}
    async with pool.connection() as connection:
        due = await connection.fetchval("select min(due_at) from dispatcher.delivery")
    assert due > local


async def test_a_spread_gives_each_recipient_its_turn(ledger: PostgresLedger, pool: Pool) -> None:
    message = msgspec.structs.replace(build_batch_message(generate_subscribers(10)), spacing_seconds=3600.0)
    assert len(await claim(ledger, message)) == 1
    assert await waits_for(pool, message) == {"spread": 9}
    async with pool.connection() as connection:
        turns = await connection.fetch(
            "select due_at from dispatcher.delivery where due_at is not null order by due_at"
        )
    steps = {later["due_at"] - earlier["due_at"] for earlier, later in pairwise(turns)}
    assert steps == {timedelta(hours=1)}


@pytest.mark.parametrize("cause", ["resume", "template"])
async def test_whoever_has_a_turn_keeps_it_over_a_pause_and_nobody_is_due_earlier(
    ledger: PostgresLedger, pool: Pool, cause: str
) -> None:
    """Some get their turn before the pause, some during it; two turns have come by then."""
    message = msgspec.structs.replace(build_batch_message(generate_subscribers(10)), spacing_seconds=3600.0)
    batch = build_batch(message)
    await ledger.register(message, batch.content)
    assert len(await ledger.claim_batch(batch, 5)) == 1
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.broadcast set published_at = published_at - interval '150 minutes'")
        await connection.execute("update dispatcher.delivery set due_at = due_at - interval '150 minutes'")
    if cause == "resume":
        await ledger.pause_broadcast(message.broadcast, "a test")
    else:
        await ledger.pause_template("t/de", "paused")
    batch.position = 5
    assert await ledger.claim_batch(batch, 5) == []
    await ledger.requeue_waiting(100)
    assert await waits_for(pool, message) == {cause: 2, "spread": 7}
    due, _ = await ledger.find_work()
    assert not due
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.broadcast set paused_reason = null")
        await connection.execute("delete from dispatcher.template_pause")
        await ledger.requeue_waiting(100)
        turns = await connection.fetch("""
            select d.due_at - b.published_at as turn from dispatcher.delivery d join dispatcher.broadcast b
            on b.id = d.source where waits_for = 'spread' order by 1""")
    assert [row["turn"] for row in turns] == [timedelta(hours=hour) for hour in range(3, 10)]
    assert len(await ledger.claim_due(Lane.BULK, 10)) == 2


async def test_no_more_different_people_a_day_than_meta_permits_however_many_claim(
    ledger: PostgresLedger, pool: Pool
) -> None:
    await limit(pool, people=25)
    messages = [different_people(build_batch_message(generate_subscribers(10))) for _ in range(6)]
    claims = await asyncio.gather(*(claim(ledger, message) for message in messages))
    assert sum(map(len, claims)) == 25
    waiting = [await waits_for(pool, message) for message in messages]
    assert sum(one.get("people", 0) for one in waiting) == 35


async def test_a_person_counts_once_and_again_after_a_day(ledger: PostgresLedger, pool: Pool) -> None:
    await limit(pool, people=10)
    first = different_people(build_batch_message(generate_subscribers(10)))
    again = msgspec.structs.replace(first, broadcast=build_batch_message([]).broadcast)
    assert [len(await claim(ledger, one)) for one in (first, again)] == [10, 10]
    stranger = different_people(build_batch_message(generate_subscribers(1)))
    assert await claim(ledger, stranger) == []
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.reached set minute = minute - interval '25 hours'")
        await connection.execute("update dispatcher.reached_minute set minute = minute - interval '25 hours'")
    assert len(await claim(ledger, different_people(build_batch_message(generate_subscribers(10))))) == 10


async def test_a_person_counts_once_whichever_key_made_the_hash_of_their_address(
    ledger: PostgresLedger, pool: Pool
) -> None:
    await limit(pool, people=10)
    first = different_people(build_batch_message(generate_subscribers(10)))
    key = BlindIndexKey(bytes(64))
    lifted = tuple(
        msgspec.structs.replace(one, address=msgspec.structs.replace(one.address, index=key.upgrade(one.address.index)))
        for one in first.recipients
    )
    again = msgspec.structs.replace(first, broadcast=build_batch_message([]).broadcast, recipients=lifted)
    assert [len(await claim(ledger, one)) for one in (first, again)] == [10, 10]


@pytest.mark.parametrize("told_by", ["Meta", "the setting"])
async def test_a_limit_after_a_time_without_one_counts_who_was_reached_meanwhile(
    ledger: PostgresLedger, pool: Pool, told_by: str
) -> None:
    """Ten, each by two broadcasts, one of them already ended; not who is only to get one, nor who got one yesterday."""
    account = PostgresAccount(pool, number=NUMBER)
    if told_by == "Meta":
        await limit(pool, people=10)
        unlimited = AccountReport(AccountUpdate.LIMIT, "people a day", "TIER_UNLIMITED")
        await account.apply(unlimited, at=datetime.now(UTC) - timedelta(minutes=1))
    yesterday, first, later = (different_people(build_batch_message(generate_subscribers(10))) for _ in range(3))
    again = msgspec.structs.replace(first, broadcast=build_batch_message([]).broadcast)
    await claim(ledger, yesterday)
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.delivery set claimed_at = claimed_at - interval '25 hours'")
        assert [len(await claim(ledger, one)) for one in (first, again)] == [10, 10]
        await connection.execute("update dispatcher.broadcast set finished_at = now() where id = $1", first.broadcast)
        await ledger.pause_template("t/de", "paused")
        assert await claim(ledger, later) == []
        await connection.execute("delete from dispatcher.template_pause")
    if told_by == "Meta":
        tier = AccountReport(AccountUpdate.LIMIT, "people a day", "11", limit=11)
        assert await account.apply(tier, at=datetime.now(UTC))
    else:
        await limit(pool, people=11)
    assert len(await claim(ledger, different_people(build_batch_message(generate_subscribers(2))))) == 1
    third = msgspec.structs.replace(first, broadcast=build_batch_message([]).broadcast)
    assert len(await claim(ledger, third)) == 10
    async with pool.connection() as connection:
        assert await connection.fetchval("select count(*) from dispatcher.reached") == 11
        assert await connection.fetchval("select sum(people)::int from dispatcher.reached_minute") == 11


@pytest.mark.parametrize("number", [NUMBER, "700800900100201"])
async def test_a_limit_that_begins_and_rises_permits_no_more_than_it_says_also_for_a_new_number(
    ledger: PostgresLedger, pool: Pool, number: str
) -> None:
    """Meta limits what all numbers of an account send together."""
    assert len(await claim(ledger, different_people(build_batch_message(generate_subscribers(30))))) == 30
    limiter = PostgresRateLimiter(pool, number, 100, 10)
    await limiter.set_up()
    later = PostgresLedger(pool, number=number, slot=3)
    assert await claim(later, different_people(build_batch_message(generate_subscribers(1)))) == []
    await replace(limiter, people_a_day=40).set_up()
    assert len(await claim(later, different_people(build_batch_message(generate_subscribers(20))))) == 10


async def test_a_replica_that_starts_without_a_limit_takes_that_of_the_others_away_for_a_minute_at_most(
    ledger: PostgresLedger, pool: Pool
) -> None:
    """One with the old setting that starts again during an update; a tier that Meta reported stays."""
    limiter = PostgresRateLimiter(pool, NUMBER, 100, 10, 7)
    await limiter.set_up()
    await limit(pool)
    await limiter.keep_limits()
    assert len(await claim(ledger, different_people(build_batch_message(generate_subscribers(12))))) == 7
    tier = AccountReport(AccountUpdate.LIMIT, "people a day", "5", limit=5)
    assert await PostgresAccount(pool, number=NUMBER).apply(tier, at=datetime.now(UTC))
    for _ in range(2):
        await limiter.keep_limits()
        row = await pool.fetchrow("select people_setting, people_a_day, messages_a_month from dispatcher.rate")
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


async def test_what_is_claimed_while_a_limit_begins_counts(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    """It takes seconds to note who was reached by then."""
    async with owner.transaction():
        await owner.execute("lock table dispatcher.reached_minute in exclusive mode")
        beginning = asyncio.create_task(limit(pool, people=10))
        await wait_until_locked(pool)
        claiming = asyncio.create_task(claim(ledger, different_people(build_batch_message(generate_subscribers(5)))))
        await wait_until_locked(pool, 2)
    await beginning
    assert len(await claiming) == 5
    assert len(await claim(ledger, different_people(build_batch_message(generate_subscribers(20))))) == 5


async def test_a_limit_that_another_replica_brings_counts_for_one_that_knows_of_none(
    ledger: PostgresLedger, pool: Pool
) -> None:
    """During an update, replicas with the new setting and with the old one send together."""
    assert len(await claim(ledger, different_people(build_batch_message(generate_subscribers(5))))) == 5
    await limit(pool, people=10)
    assert len(await claim(ledger, different_people(build_batch_message(generate_subscribers(20))))) == 5


async def test_the_budget_of_a_month_is_a_hard_stop(ledger: PostgresLedger, pool: Pool) -> None:
    await limit(pool, messages=7)
    message = build_batch_message(generate_subscribers(10))
    assert len(await claim(ledger, message)) == 7
    assert await waits_for(pool, message) == {"budget": 3}


async def test_who_waited_goes_on_when_there_is_room_again(ledger: PostgresLedger, pool: Pool) -> None:
    await limit(pool, messages=2)
    await claim(ledger, build_batch_message(generate_subscribers(5)))
    await limit(pool, messages=4)
    assert await ledger.requeue_waiting(100) == 2
    assert len(await ledger.claim_due(Lane.BULK, 10)) == 2


async def test_a_held_template_parks_its_broadcasts_and_a_release_wakes_them(
    ledger: PostgresLedger, pool: Pool
) -> None:
    message = build_batch_message(generate_subscribers(5))
    await ledger.pause_template("t/de", "paused")
    assert await claim(ledger, message) == []
    assert await waits_for(pool, message) == {"template": 5}
    due, _ = await ledger.find_work()
    assert not due
    approved = AccountReport(AccountUpdate.TEMPLATE_RESUMED, "template t/de", "accepted", "t/de")
    await PostgresAccount(pool, number=NUMBER).apply(approved, at=datetime.now(UTC))
    await ledger.requeue_waiting(100)
    assert len(await ledger.claim_due(Lane.BULK, 10)) == 5


async def test_a_template_that_is_held_in_another_language_parks_nothing(ledger: PostgresLedger) -> None:
    await ledger.pause_template("t/en_US", "rejected")
    assert len(await claim(ledger, build_batch_message(generate_subscribers(5)))) == 5


async def test_a_held_sender_gets_one_try_in_a_while(pool: Pool) -> None:
    limiter = PostgresRateLimiter(pool, number=NUMBER, limit=100)
    await limiter.set_up()
    assert await limiter.pause("token expired", 30.0)
    assert not await limiter.pause("token expired", 30.0)
    assert [(await limiter.reserve(5)).slots for _ in range(3)] == [0, 0, 0]
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.rate set probe_at = now()")
    tries = await asyncio.gather(*(limiter.reserve(5) for _ in range(3)))
    assert sum(lease.slots for lease in tries) == 1
    assert (await limiter.reserve(5)).slots == 0
    await limiter.resume()
    assert (await limiter.reserve(5)).slots == 5
