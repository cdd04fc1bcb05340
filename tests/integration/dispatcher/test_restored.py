"""After a restore: what may have been sent without a record is unknown, and is never sent again by itself."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.ports import StatusUpdate
from shared.contracts.dispatch import Withdrawal
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase
from tests.factories.ids import generate_id
from tests.integration.dispatcher.factories import (
    build_batch_message,
    build_record,
    build_reply,
    generate_subscribers,
    news,
)
from tests.integration.dispatcher.test_follow_ups import accept, audience, begin, follow, follow_up
from tests.integration.dispatcher.test_ledger import claim, counted, states

import asyncpg  # isort: skip


async def mark_restored(database: FreshDatabase) -> datetime:
    """As a restore does, which only the owner can do."""
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("insert into dispatcher.restore values (clock_timestamp(), clock_timestamp())")
        return datetime.now(UTC)
    finally:
        await connection.close()


async def settle(database: FreshDatabase, broadcast: object) -> int:
    connection = await asyncpg.connect(database.build_role_url("kreisfunk_operator"))
    try:
        statement = "select dispatcher.settle_unknown(null, $1, 'resend')"
        return int(await connection.fetchval(statement, broadcast))
    finally:
        await connection.close()


async def let_the_stream_pass(ledger: PostgresLedger) -> int:
    """A status of a newer message arrives, and the time of grace is over: what has no status is sent again."""
    newer = await claim(ledger, build_batch_message(generate_subscribers(1)))
    await accept(ledger, newer)
    await ledger.apply_statuses([news(newer[0].delivery, DeliveryState.SENT)])
    return await ledger.requeue_unknown(0, 0)


async def test_recipients_of_a_forgotten_broadcast_are_held_until_an_operator_decides(
    ledger: PostgresLedger, pool: Pool, database: FreshDatabase
) -> None:
    message = build_batch_message(generate_subscribers(3))
    await mark_restored(database)
    assert await claim(ledger, message) == []
    assert await counted(pool, message.broadcast) == await states(pool, message.broadcast) == {"unknown": 3}
    assert await let_the_stream_pass(ledger) == 0
    assert await ledger.claim_due(Lane.BULK, 10) == []
    assert await settle(database, message.broadcast) == 3
    sent = await ledger.claim_due(Lane.BULK, 10)
    assert len(sent) == 3
    assert all(one.address.sealed for one in sent)
    # Nobody knows what became of these either: again a person decides.
    await ledger.record([build_record(one, DeliveryState.UNKNOWN) for one in sent])
    assert await let_the_stream_pass(ledger) == 0


async def test_what_begins_after_the_restore_goes_out_and_is_sent_again_as_ever(
    ledger: PostgresLedger, pool: Pool, database: FreshDatabase
) -> None:
    await mark_restored(database)
    claims = await claim(ledger, build_batch_message(generate_subscribers(2)))
    assert len(claims) == 2
    await ledger.record([build_record(one, DeliveryState.UNKNOWN) for one in claims])
    assert await let_the_stream_pass(ledger) == 2


async def test_what_needs_no_decision_gets_none(ledger: PostgresLedger, pool: Pool, database: FreshDatabase) -> None:
    expired = build_batch_message(generate_subscribers(1), expires_in=-1)
    people = generate_subscribers(2)
    message = build_batch_message(people)
    await ledger.withdraw(Withdrawal(subscriber=people[0], sequence=1))
    await mark_restored(database)
    assert await claim(ledger, expired) == await claim(ledger, message) == []
    assert await states(pool, expired.broadcast) == {"expired": 1}
    assert await states(pool, message.broadcast) == {"suppressed": 1, "unknown": 1}


async def test_a_forgotten_reply_is_held_and_its_stop_counts(
    ledger: PostgresLedger, pool: Pool, database: FreshDatabase
) -> None:
    person = generate_id()
    old = build_reply(Withdrawal(subscriber=person, sequence=1))
    before = datetime.now(UTC)
    after = await mark_restored(database)
    new = build_reply()
    claims = await ledger.claim_replies([(old, before), (new, after)])
    assert [one.delivery for one in claims] == [new.reply]
    assert await states(pool, old.reply) == {"unknown": 1}
    assert await let_the_stream_pass(ledger) == 0
    message = build_batch_message([person])
    assert await claim(ledger, message) == []
    assert await states(pool, message.broadcast) == {"suppressed": 1}


async def test_a_correction_of_before_is_held_and_one_of_afterwards_reaches_whoever_may_have_got_it(
    ledger: PostgresLedger, pool: Pool, database: FreshDatabase
) -> None:
    people = generate_subscribers(3)
    message = build_batch_message(people)
    await accept(ledger, await claim(ledger, message, 2))
    old = follow_up(message.broadcast)
    await mark_restored(database)
    await claim(ledger, message)  # the rest is held
    assert await states(pool, message.broadcast) == {"accepted": 2, "unknown": 1}
    await begin(ledger, old)
    await begin(ledger, new := follow_up(message.broadcast))
    await follow(ledger)
    assert await states(pool, old.broadcast) == await counted(pool, old.broadcast) == {"unknown": 3}
    assert await audience(pool, new.broadcast) == 3
    assert len(await ledger.claim_due(Lane.URGENT, 10)) == 3


@pytest.mark.parametrize("restored", [True, False])
async def test_a_failure_of_before_is_not_tried_again_since_that_may_have_happened(
    ledger: PostgresLedger, pool: Pool, database: FreshDatabase, restored: bool
) -> None:
    message = build_batch_message(generate_subscribers(1))
    claims = await claim(ledger, message)
    await accept(ledger, claims)
    if restored:
        await mark_restored(database)
    failed = StatusUpdate(claims[0].delivery, DeliveryState.FAILED, b"k", 131000, 3, (0.0,), "again")
    await ledger.apply_statuses([failed])
    assert await states(pool, message.broadcast) == {"failed" if restored else "waiting": 1}


async def test_a_broadcast_whose_other_pages_are_lost_ends_and_is_no_alarm(
    ledger: PostgresLedger, pool: Pool, database: FreshDatabase
) -> None:
    """The last of three pages survived at the broker."""
    message = msgspec.structs.replace(build_batch_message(generate_subscribers(2)), offset=200, page=2)
    await mark_restored(database)
    await claim(ledger, message)
    async with pool.connection() as connection:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        await connection.execute("update dispatcher.broadcast set expires_at = $1", long_ago)
    assert (await ledger.read_backlog()).unaccounted == 0
    (progress,) = await ledger.collect_progress(1.0)
    assert (progress.finished, progress.audience) == (True, 2)
