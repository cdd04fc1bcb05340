"""A correction or an all-clear goes to exactly those who got the earlier message; on a real PostgreSQL."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.states import DeliveryState
from shared.contracts.dispatch import Withdrawal
from shared.contracts.ids import delivery_id
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from tests.databases import wait_until_locked
from tests.factories.ids import generate_id
from tests.integration.dispatcher.factories import (
    NUMBER,
    STREAM_HAS_PASSED,
    accept,
    backdate,
    begin,
    build_batch,
    build_batch_message,
    build_record,
    build_update,
    claim,
    claim_new,
    deliver_next_pass,
    failed,
    follow,
    follow_up,
    generate_subscribers,
    next_pass,
    read_audience,
    states,
)

RESEND = "select dispatcher.resend_missing($1, false)"
PROVE = """
with changed as (update dispatcher.delivery set state = 'delivered' where id = $1 returning true)
select dispatcher.reopen_follow_ups(array[$2::uuid]) from changed
"""


async def recipients(ledger: PostgresLedger, broadcast: UUID) -> set[UUID]:
    rows = await ledger.database.fetch("select subscriber from dispatcher.delivery where source = $1", broadcast)
    return {UUID(int=row["subscriber"].int) for row in rows}


async def test_the_ids_in_sql_are_the_ids_in_python(pool: Pool) -> None:
    pairs = [(generate_id(), generate_id()) for _ in range(100)] + [(uuid4(), uuid4()) for _ in range(100)]
    pairs += [(UUID(int=0), UUID(int=0)), (UUID(int=2**128 - 1), UUID(int=2**128 - 1))]
    for source, subscriber in pairs:
        told = await pool.fetchval("select dispatcher.delivery_id($1, $2)", source, subscriber)
        assert told == delivery_id(source, subscriber)


async def test_it_goes_to_those_who_got_the_earlier_one_and_to_nobody_else(ledger: PostgresLedger) -> None:
    subscribers = generate_subscribers(8)
    message = build_batch_message(subscribers)
    claims = await claim(ledger, message)
    ends = [DeliveryState.UNKNOWN, DeliveryState.FAILED, DeliveryState.EXPIRED, DeliveryState.CANCELLED]
    await accept(ledger, claims[:4])
    await ledger.record([build_record(one, end) for one, end in zip(claims[4:], ends, strict=True)])
    for one, state in zip(claims[1:], (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ), strict=False):
        await ledger.apply_statuses([build_update(one.delivery, state)])
    successor = await begin(ledger, follow_up(message.broadcast))
    await follow(ledger)
    assert await recipients(ledger, successor) == set(subscribers[:5])
    assert await read_audience(ledger, successor) == 5
    due = await ledger.claim_due(Lane.URGENT, 10)
    assert {one.delivery for one in due} == {delivery_id(successor, person) for person in subscribers[:5]}
    assert await states(ledger, successor) == {"claimed": 5}


async def test_who_got_several_earlier_ones_gets_it_once(ledger: PostgresLedger) -> None:
    subscribers = generate_subscribers(3)
    first, second = build_batch_message(subscribers[:2]), build_batch_message(subscribers[1:])
    for message in (first, second):
        await accept(ledger, await claim(ledger, message))
    successor = await begin(ledger, follow_up(first.broadcast, second.broadcast))
    await follow(ledger)
    assert await recipients(ledger, successor) == set(subscribers)
    assert await read_audience(ledger, successor) == 3
    assert await states(ledger, successor) == {"waiting": 3}


async def test_an_urgent_one_does_not_wait_for_the_pages_of_another_one(ledger: PostgresLedger) -> None:
    source, claims = await claim_new(ledger, 4)
    await accept(ledger, claims)
    bulk = await begin(ledger, msgspec.structs.replace(follow_up(source), lane=Lane.BULK))
    await ledger.extend_follow_up(1)
    urgent = await begin(ledger, follow_up(source))
    await ledger.extend_follow_up(100)
    assert (await read_audience(ledger, urgent), len(await recipients(ledger, bulk))) == (4, 1)
    await follow(ledger)
    assert await read_audience(ledger, bulk) == 4


async def test_who_said_stop_since_then_is_on_record_as_suppressed(ledger: PostgresLedger) -> None:
    subscribers = generate_subscribers(3)
    message = build_batch_message(subscribers)
    await accept(ledger, await claim(ledger, message))
    await ledger.withdraw(Withdrawal(subscriber=subscribers[0], sequence=2))
    successor = await begin(ledger, follow_up(message.broadcast))
    await follow(ledger)
    await ledger.withdraw(Withdrawal(subscriber=subscribers[1], sequence=2))
    assert len(await ledger.claim_due(Lane.URGENT, 10)) == 1
    assert await states(ledger, successor) == {"claimed": 1, "suppressed": 2}


async def test_as_long_as_the_earlier_one_is_under_way_it_follows(ledger: PostgresLedger) -> None:
    subscribers = generate_subscribers(6)
    message = build_batch_message(subscribers)
    batch = build_batch(message)
    await ledger.register(message, batch.content)
    first = await ledger.claim_batch(batch, 2)
    await accept(ledger, first)
    successor = await begin(ledger, follow_up(message.broadcast))
    await follow(ledger)
    assert (await recipients(ledger, successor), await read_audience(ledger, successor)) == (
        set(subscribers[:2]),
        None,
    )
    batch.position = 2
    later = await ledger.claim_batch(batch, 4)
    await next_pass(ledger)
    await accept(ledger, later[:3])
    await ledger.record([build_record(later[3], DeliveryState.FAILED)])
    await next_pass(ledger, 2)
    assert await recipients(ledger, successor) == set(subscribers[:5])
    assert await read_audience(ledger, successor) == 5


async def test_whoever_gets_the_earlier_one_by_a_resend_gets_all_that_follows_it(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    """A correction and the correction of that one, which had ended; what was withdrawn stays as it is."""
    source, (*got, missed) = await claim_new(ledger, 3)
    await accept(ledger, got)
    await ledger.record([build_record(missed, DeliveryState.FAILED)])
    first = await begin(ledger, follow_up(source))
    withdrawn = await begin(ledger, follow_up(source))
    await ledger.cancel(withdrawn, "a test")
    await deliver_next_pass(ledger)
    second = await begin(ledger, follow_up(first))
    await deliver_next_pass(ledger)
    for progress in await ledger.collect_progress(60):
        await ledger.finish(progress.broadcast)
    await operator.execute(RESEND, source)
    await deliver_next_pass(ledger, Lane.BULK)
    for _ in range(4):
        await deliver_next_pass(ledger)
    for successor in (first, second):
        assert await states(ledger, successor) == {"accepted": 3}
        assert await read_audience(ledger, successor) == 3
    assert await states(ledger, withdrawn) == {"cancelled": 2}
    await ledger.database.fetchval("update dispatcher.broadcast set progressed_at = '-infinity'")
    ended = await ledger.database.fetchval("select count(*) from dispatcher.follow_up where done_at is not null")
    finished = {one.broadcast for one in await ledger.collect_progress(60) if one.finished}
    assert (finished, ended) == ({source, first, second}, 3)


@pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.ACCEPTED, DeliveryState.UNKNOWN])
async def test_who_is_to_get_the_earlier_one_again_while_it_is_read_gets_what_follows_it(
    ledger: PostgresLedger, operator: asyncpg.Connection, state: DeliveryState
) -> None:
    """An operator resends, Meta reports a failure that may pass, or its silence proves that nothing was sent."""
    source, claims = await claim_new(ledger, 3)
    *got, last = sorted(claims, key=lambda one: one.delivery)
    await accept(ledger, got)
    await ledger.record([build_record(last, state)])
    successor = await begin(ledger, follow_up(source))
    assert await ledger.extend_follow_up(1)
    if state is DeliveryState.FAILED:
        await operator.execute(RESEND, source)
    elif state is DeliveryState.ACCEPTED:
        await ledger.apply_statuses([failed(last.delivery)])
    else:
        await backdate(ledger, last, seconds=3600)
        await ledger.database.fetchval(STREAM_HAS_PASSED, NUMBER)
        assert await ledger.requeue_unknown(300, 21) == 1
    await follow(ledger, 1)
    await deliver_next_pass(ledger, Lane.BULK)
    await next_pass(ledger, 2)
    assert await states(ledger, successor) == {"waiting": 3}
    assert await read_audience(ledger, successor) == 3


@pytest.mark.parametrize("change", ["resend", "proof"])
async def test_one_that_begins_during_a_resend_or_a_proof_waits_for_its_end(
    ledger: PostgresLedger, owner: asyncpg.Connection, change: str
) -> None:
    """A proof is a status of what was given up. As what it follows is over, it reads the recipients once only."""
    source, (*got, given_up) = await claim_new(ledger, 3)
    await accept(ledger, got)
    await ledger.record([build_record(given_up, DeliveryState.FAILED)])
    async with owner.transaction():
        await owner.execute(*((RESEND, source) if change == "resend" else (PROVE, given_up.delivery, source)))
        beginning = asyncio.create_task(begin(ledger, follow_up(source)))
        await wait_until_locked(ledger.database)
    successor = await beginning
    await follow(ledger)
    if change == "resend":
        await deliver_next_pass(ledger, Lane.BULK)
        await next_pass(ledger, 2)
    assert len(await recipients(ledger, successor)) == 3


async def test_after_a_cancellation_it_ends_with_what_was_at_meta_by_then(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    subscribers = generate_subscribers(4)
    message = msgspec.structs.replace(build_batch_message(subscribers), last=False)
    claims = await claim(ledger, message)
    await accept(ledger, claims[:2])
    await ledger.record([build_record(claims[2], DeliveryState.WAITING)])
    await ledger.cancel(message.broadcast, "withdrawn")
    successor = await begin(ledger, follow_up(message.broadcast))
    await ledger.requeue_waiting(10)
    await follow(ledger)
    await accept(ledger, claims[3:])
    await owner.execute("update dispatcher.cancellation set cancelled_at = now() - interval '3 seconds'")
    await next_pass(ledger, 2)
    assert await recipients(ledger, successor) == {subscribers[0], subscribers[1], subscribers[3]}
    assert await read_audience(ledger, successor) == 3


async def test_any_number_of_replicas_and_repetitions_make_each_recipient_once(ledger: PostgresLedger) -> None:
    for most in (1, 7, 50, 100):
        source, claims = await claim_new(ledger, 50)
        await accept(ledger, claims)
        message = follow_up(source)
        replicas = [PostgresLedger(ledger.database, number="1", slot=slot) for slot in range(3)]
        await asyncio.gather(*(begin(replica, message) for replica in replicas))
        await asyncio.gather(*(follow(replica, most) for replica in replicas))
        successor = await begin(ledger, message)
        await follow(ledger)
        assert await states(ledger, successor) == {"waiting": 50}
        assert await read_audience(ledger, successor) == 50


async def test_one_that_has_expired_is_recorded_and_ends(ledger: PostgresLedger) -> None:
    source, claims = await claim_new(ledger, 3)
    await accept(ledger, claims)
    successor = await begin(ledger, follow_up(source, expires_in=-1))
    await follow(ledger)
    assert await states(ledger, successor) == {"expired": 3}
    assert await read_audience(ledger, successor) == 3


async def test_one_that_nobody_got_is_finished_with_nobody(ledger: PostgresLedger) -> None:
    message = build_batch_message([])
    await claim(ledger, message)
    successor = await begin(ledger, follow_up(message.broadcast))
    await follow(ledger)
    progress = {one.broadcast: one for one in await ledger.collect_progress(60)}
    assert progress[successor].finished
    assert progress[successor].audience == 0


@pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.EXPIRED])
async def test_who_turns_out_to_have_got_the_earlier_one_gets_all_that_follows_it(
    ledger: PostgresLedger, state: DeliveryState
) -> None:
    """Given up by hand or by its expiry, but delivered; at that moment a message of the follow-up is to be repeated."""
    source, (got, given_up) = await claim_new(ledger, 2)
    await accept(ledger, [got])
    await ledger.record([build_record(given_up, state)])
    first = await begin(ledger, follow_up(source))
    await follow(ledger)
    (followed,) = await ledger.claim_due(Lane.URGENT, 10)
    await accept(ledger, [followed])
    second = await begin(ledger, follow_up(first))
    await deliver_next_pass(ledger)
    for progress in await ledger.collect_progress(60):
        await ledger.finish(progress.broadcast)
    again = failed(followed.delivery, attempts=2)
    await ledger.apply_statuses([build_update(given_up.delivery, DeliveryState.DELIVERED), again])
    for _ in range(4):
        await deliver_next_pass(ledger)
    for successor in (first, second):
        assert await states(ledger, successor) == {"accepted": 2}
        assert await read_audience(ledger, successor) == 2
