"""A correction or an all-clear goes to exactly those who got the earlier message; on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.content import build_template_body
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.ports import Claim
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, Withdrawal
from shared.contracts.ids import delivery_id
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase
from tests.factories.ids import generate_id
from tests.integration.dispatcher.conftest import NUMBER
from tests.integration.dispatcher.factories import (
    TEMPLATE,
    build_batch,
    build_batch_message,
    build_record,
    generate_subscribers,
    news,
)
from tests.integration.dispatcher.test_ledger import backdate, claim, counted, states

STREAM_HAS_PASSED = """
insert into dispatcher.status_stream (number, seen_at, arrived_at, through)
select $1, now() - minutes * interval '1 minute', now() - minutes * interval '1 minute', now()
from unnest(array[10, 20]) minutes
"""
RESEND = "select dispatcher.resend_missing($1, false)"


@pytest.fixture
async def operator(database: FreshDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.build_role_url("kreisfunk_operator"))
    yield connection
    await connection.close()


def follow_up(*follows: UUID, expires_in: float = 3600, lane: Lane = Lane.URGENT) -> BroadcastFollowUp:
    now = datetime.now(UTC)
    return BroadcastFollowUp(
        broadcast=generate_id(),
        notice="n2",
        revision=1,
        topic="strassensperrungen",
        lane=lane,
        template=TEMPLATE,
        published_at=now,
        expires_at=now + timedelta(seconds=expires_in),
        follows=follows,
    )


async def begin(ledger: PostgresLedger, message: BroadcastFollowUp) -> BroadcastFollowUp:
    await ledger.begin_follow_up(message, build_template_body(message.template))
    return message


async def follow(ledger: PostgresLedger, most: int = 100) -> None:
    while await ledger.extend_follow_up(most):
        pass


async def next_pass(ledger: PostgresLedger, pool: Pool) -> None:
    """Without waiting for it."""
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.follow_up set look_at = now()")
    await follow(ledger)


async def audience(pool: Pool, broadcast: UUID) -> int | None:
    async with pool.connection() as connection:
        number: int | None = await connection.fetchval(
            "select audience from dispatcher.broadcast where id = $1", broadcast
        )
        return number


async def recipients(pool: Pool, broadcast: UUID) -> set[UUID]:
    async with pool.connection() as connection:
        rows = await connection.fetch("select subscriber from dispatcher.delivery where source = $1", broadcast)
    return {UUID(int=row["subscriber"].int) for row in rows}


async def accept(ledger: PostgresLedger, claims: Sequence[Claim]) -> None:
    await ledger.record([build_record(one, DeliveryState.ACCEPTED) for one in claims])


async def test_the_ids_in_sql_are_the_ids_in_python(pool: Pool) -> None:
    pairs = [(generate_id(), generate_id()) for _ in range(100)] + [(uuid4(), uuid4()) for _ in range(100)]
    pairs += [(UUID(int=0), UUID(int=0)), (UUID(int=2**128 - 1), UUID(int=2**128 - 1))]
    async with pool.connection() as connection:
        for source, subscriber in pairs:
            told = await connection.fetchval("select dispatcher.delivery_id($1, $2)", source, subscriber)
            assert told == delivery_id(source, subscriber)


async def test_it_goes_to_those_who_got_the_earlier_one_and_to_nobody_else(ledger: PostgresLedger, pool: Pool) -> None:
    people = generate_subscribers(8)
    message = build_batch_message(people)
    claims = await claim(ledger, message)
    ends = [
        DeliveryState.ACCEPTED,
        DeliveryState.ACCEPTED,
        DeliveryState.ACCEPTED,
        DeliveryState.ACCEPTED,
        DeliveryState.UNKNOWN,
        DeliveryState.FAILED,
        DeliveryState.EXPIRED,
    ]
    await ledger.record(
        [build_record(one, end) for one, end in zip(claims, [*ends, DeliveryState.CANCELLED], strict=True)]
    )
    for one, state in zip(claims[1:], (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ), strict=False):
        await ledger.apply_statuses([news(one.delivery, state)])
    follower = await begin(ledger, follow_up(message.broadcast))
    await follow(ledger)
    assert await recipients(pool, follower.broadcast) == set(people[:5])
    assert await audience(pool, follower.broadcast) == 5
    due = await ledger.claim_due(Lane.URGENT, 10)
    assert {one.delivery for one in due} == {delivery_id(follower.broadcast, person) for person in people[:5]}
    assert await counted(pool, follower.broadcast) == {"claimed": 5}


async def test_who_got_several_earlier_ones_gets_it_once(ledger: PostgresLedger, pool: Pool) -> None:
    people = generate_subscribers(3)
    first, second = build_batch_message(people[:2]), build_batch_message(people[1:])
    for message in (first, second):
        await accept(ledger, await claim(ledger, message))
    follower = await begin(ledger, follow_up(first.broadcast, second.broadcast))
    await follow(ledger)
    assert await recipients(pool, follower.broadcast) == set(people)
    assert await audience(pool, follower.broadcast) == 3
    assert await counted(pool, follower.broadcast) == {"waiting": 3}


async def test_who_said_stop_since_then_is_on_record_as_suppressed(ledger: PostgresLedger, pool: Pool) -> None:
    people = generate_subscribers(3)
    message = build_batch_message(people)
    await accept(ledger, await claim(ledger, message))
    await ledger.withdraw(Withdrawal(subscriber=people[0], sequence=2))
    follower = await begin(ledger, follow_up(message.broadcast))
    await follow(ledger)
    await ledger.withdraw(Withdrawal(subscriber=people[1], sequence=2))
    assert len(await ledger.claim_due(Lane.URGENT, 10)) == 1
    assert await counted(pool, follower.broadcast) == {"claimed": 1, "suppressed": 2}


async def test_as_long_as_the_earlier_one_is_under_way_it_follows(ledger: PostgresLedger, pool: Pool) -> None:
    people = generate_subscribers(6)
    message = build_batch_message(people)
    batch = build_batch(message)
    await ledger.register(message, batch.content)
    first = await ledger.claim_batch(batch, 2)
    await accept(ledger, first)
    follower = await begin(ledger, follow_up(message.broadcast))
    await follow(ledger)
    assert (await recipients(pool, follower.broadcast), await audience(pool, follower.broadcast)) == (
        set(people[:2]),
        None,
    )
    batch.position = 2
    later = await ledger.claim_batch(batch, 4)
    await next_pass(ledger, pool)
    await accept(ledger, later[:3])
    await ledger.record([build_record(later[3], DeliveryState.FAILED)])
    for _ in range(2):
        await next_pass(ledger, pool)
    assert await recipients(pool, follower.broadcast) == set(people[:5])
    assert await audience(pool, follower.broadcast) == 5


async def earlier_one_with_a_failure(ledger: PostgresLedger) -> BroadcastBatch:
    """Return a broadcast to three, of whom the last did not get it."""
    message = build_batch_message(generate_subscribers(3))
    *got, failed = await claim(ledger, message)
    await accept(ledger, got)
    await ledger.record([build_record(failed, DeliveryState.FAILED)])
    return message


async def deliver_next_pass(ledger: PostgresLedger, pool: Pool, lane: Lane = Lane.URGENT) -> None:
    await next_pass(ledger, pool)
    await accept(ledger, await ledger.claim_due(lane, 10))


async def test_whoever_gets_the_earlier_one_by_a_resend_gets_all_that_follows_it(
    ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    """A correction and the correction of that one, which had ended; what was withdrawn stays as it is."""
    message = await earlier_one_with_a_failure(ledger)
    first = await begin(ledger, follow_up(message.broadcast))
    withdrawn = await begin(ledger, follow_up(message.broadcast))
    await ledger.cancel(withdrawn.broadcast, "a test")
    await deliver_next_pass(ledger, pool)
    second = await begin(ledger, follow_up(first.broadcast))
    await deliver_next_pass(ledger, pool)
    for progress in await ledger.collect_progress(60):
        await ledger.finish(progress.broadcast)
    await operator.execute(RESEND, message.broadcast)
    await deliver_next_pass(ledger, pool, Lane.BULK)
    for _ in range(4):
        await deliver_next_pass(ledger, pool)
    for follower in (first, second):
        assert await states(pool, follower.broadcast) == await counted(pool, follower.broadcast) == {"accepted": 3}
        assert await audience(pool, follower.broadcast) == 3
    assert await states(pool, withdrawn.broadcast) == {"cancelled": 2}
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.broadcast set progressed_at = '-infinity'")
        ended = await connection.fetchval("select count(*) from dispatcher.follow_up where done_at is not null")
    finished = {one.broadcast for one in await ledger.collect_progress(60) if one.finished}
    assert (finished, ended) == ({message.broadcast, first.broadcast, second.broadcast}, 3)


async def test_a_resend_during_the_last_pass_makes_another_one(
    ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    message = await earlier_one_with_a_failure(ledger)
    follower = await begin(ledger, follow_up(message.broadcast))
    assert await ledger.extend_follow_up(1)
    await operator.execute(RESEND, message.broadcast)
    await follow(ledger, 1)
    await deliver_next_pass(ledger, pool, Lane.BULK)
    for _ in range(2):
        await next_pass(ledger, pool)
    assert await counted(pool, follower.broadcast) == {"waiting": 3}
    assert await audience(pool, follower.broadcast) == 3


@pytest.mark.parametrize("reported", [True, False])
async def test_who_is_to_get_the_earlier_one_again_while_it_is_read_gets_what_follows_it(
    ledger: PostgresLedger, pool: Pool, database: FreshDatabase, reported: bool
) -> None:
    """Meta reports a failure that may pass, or its silence proves that an answer that is missing was none."""
    message = build_batch_message(generate_subscribers(3))
    *got, last = sorted(await claim(ledger, message), key=lambda one: one.delivery)
    await accept(ledger, got)
    await ledger.record([build_record(last, DeliveryState.ACCEPTED if reported else DeliveryState.UNKNOWN)])
    follower = await begin(ledger, follow_up(message.broadcast))
    assert await ledger.extend_follow_up(1)
    if reported:
        failed = news(last.delivery, DeliveryState.FAILED)
        await ledger.apply_statuses([replace(failed, attempts=2, delays=[0.0], waits_for="again")])
    else:
        await backdate(database.url, [last.delivery], 3600)
        async with pool.connection() as connection:
            await connection.execute(STREAM_HAS_PASSED, NUMBER)
        assert await ledger.requeue_unknown(300, 21) == 1
    await follow(ledger, 1)
    await deliver_next_pass(ledger, pool, Lane.BULK)
    for _ in range(2):
        await next_pass(ledger, pool)
    assert await states(pool, follower.broadcast) == await counted(pool, follower.broadcast) == {"waiting": 3}
    assert await audience(pool, follower.broadcast) == 3


async def test_one_that_begins_during_a_resend_waits_for_its_end(
    ledger: PostgresLedger, pool: Pool, operator: asyncpg.Connection
) -> None:
    message = await earlier_one_with_a_failure(ledger)
    async with operator.transaction():
        await operator.execute(RESEND, message.broadcast)
        beginning = asyncio.create_task(begin(ledger, follow_up(message.broadcast)))
        await asyncio.wait({beginning}, timeout=0.5)
    follower = await beginning
    await follow(ledger)
    await deliver_next_pass(ledger, pool, Lane.BULK)
    for _ in range(2):
        await next_pass(ledger, pool)
    assert await counted(pool, follower.broadcast) == {"waiting": 3}


async def test_after_a_cancellation_it_ends_with_what_was_at_meta_by_then(ledger: PostgresLedger, pool: Pool) -> None:
    people = generate_subscribers(4)
    message = msgspec.structs.replace(build_batch_message(people), last=False)
    claims = await claim(ledger, message)
    await accept(ledger, claims[:2])
    await ledger.record([build_record(claims[2], DeliveryState.WAITING)])
    await ledger.cancel(message.broadcast, "withdrawn")
    follower = await begin(ledger, follow_up(message.broadcast))
    await ledger.requeue_waiting(10)
    await follow(ledger)
    await accept(ledger, claims[3:])
    async with pool.connection() as connection:
        await connection.execute("update dispatcher.cancellation set cancelled_at = now() - interval '3 seconds'")
    for _ in range(2):
        await next_pass(ledger, pool)
    assert await recipients(pool, follower.broadcast) == {people[0], people[1], people[3]}
    assert await audience(pool, follower.broadcast) == 3


@pytest.mark.parametrize("most", [1, 7, 50, 100])
async def test_any_number_of_replicas_and_repetitions_make_each_recipient_once(
    most: int, ledger: PostgresLedger, pool: Pool
) -> None:
    message = build_batch_message(generate_subscribers(50))
    await accept(ledger, await claim(ledger, message))
    follower = follow_up(message.broadcast)
    replicas = [PostgresLedger(pool, number="1", slot=slot) for slot in range(3)]
    await asyncio.gather(*(begin(replica, follower) for replica in replicas))
    await asyncio.gather(*(follow(replica, most) for replica in replicas))
    await begin(ledger, follower)
    await follow(ledger)
    assert await counted(pool, follower.broadcast) == await states(pool, follower.broadcast) == {"waiting": 50}
    assert await audience(pool, follower.broadcast) == 50


async def test_a_step_that_is_not_committed_is_done_again(ledger: PostgresLedger, pool: Pool) -> None:
    message = build_batch_message(generate_subscribers(20))
    await accept(ledger, await claim(ledger, message))
    follower = await begin(ledger, follow_up(message.broadcast))
    for _ in range(10):
        step = asyncio.create_task(ledger.extend_follow_up(3))
        await asyncio.wait({step}, timeout=0)
        step.cancel()
        await asyncio.gather(step, return_exceptions=True)
        await ledger.extend_follow_up(3)
    await follow(ledger)
    assert await counted(pool, follower.broadcast) == {"waiting": 20}
    assert await audience(pool, follower.broadcast) == 20


async def test_one_that_has_expired_is_recorded_and_ends(ledger: PostgresLedger, pool: Pool) -> None:
    message = build_batch_message(generate_subscribers(3))
    await accept(ledger, await claim(ledger, message))
    follower = await begin(ledger, follow_up(message.broadcast, expires_in=-1))
    await follow(ledger)
    assert await counted(pool, follower.broadcast) == {"expired": 3}
    assert await audience(pool, follower.broadcast) == 3


async def test_one_that_nobody_got_is_finished_with_nobody(ledger: PostgresLedger, pool: Pool) -> None:
    message = build_batch_message([])
    await claim(ledger, message)
    follower = await begin(ledger, follow_up(message.broadcast))
    await follow(ledger)
    progress = {one.broadcast: one for one in await ledger.collect_progress(60)}
    assert progress[follower.broadcast].finished
    assert progress[follower.broadcast].audience == 0
