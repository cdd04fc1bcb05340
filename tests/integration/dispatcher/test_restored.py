"""After a restore: what may have been sent without a record is unknown, and is never sent again by itself."""

from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.states import DeliveryState
from shared.contracts.dispatch import Withdrawal
from shared.contracts.message import Lane
from tests.factories.ids import generate_id
from tests.integration.dispatcher.factories import (
    accept,
    backdate,
    begin,
    build_batch_message,
    build_record,
    build_reply,
    build_update,
    claim,
    claim_new,
    failed,
    follow,
    follow_up,
    generate_subscribers,
    read_audience,
    states,
)


async def mark_restored(owner: asyncpg.Connection) -> datetime:
    """As a restore does, which only the owner can do."""
    await owner.execute("insert into dispatcher.restore values (clock_timestamp(), clock_timestamp())")
    return datetime.now(UTC)


async def let_the_stream_pass(ledger: PostgresLedger) -> int:
    """A status of a newer message arrives, and the time of grace is over: what has no status is sent again."""
    _, newer = await claim_new(ledger)
    await accept(ledger, newer)
    await ledger.apply_statuses([build_update(newer[0].delivery, DeliveryState.SENT)])
    return await ledger.requeue_unknown(0, 0)


async def test_recipients_of_a_forgotten_broadcast_are_held_until_an_operator_decides(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(3))
    await mark_restored(owner)
    assert await claim(ledger, message) == []
    assert await states(ledger, message.broadcast) == {"unknown": 3}
    assert await let_the_stream_pass(ledger) == 0
    assert await ledger.claim_due(Lane.BULK, 10) == []
    assert await owner.fetchval("select dispatcher.settle_unknown(null, $1, 'resend')", message.broadcast) == 3
    sent = await ledger.claim_due(Lane.BULK, 10)
    assert len(sent) == 3
    assert all(one.address.sealed for one in sent)
    # Nobody knows what became of these either: again a person decides.
    await ledger.record([build_record(one, DeliveryState.UNKNOWN) for one in sent])
    assert await let_the_stream_pass(ledger) == 0


async def test_what_begins_after_the_restore_goes_out_and_is_sent_again_as_ever(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    await mark_restored(owner)
    _, claims = await claim_new(ledger, 2)
    assert len(claims) == 2
    await ledger.record([build_record(one, DeliveryState.UNKNOWN) for one in claims])
    assert await let_the_stream_pass(ledger) == 2


async def test_what_needs_no_decision_gets_none(ledger: PostgresLedger, owner: asyncpg.Connection) -> None:
    expired = build_batch_message(generate_subscribers(1), expires_in=-1)
    subscribers = generate_subscribers(2)
    message = build_batch_message(subscribers)
    await ledger.withdraw(Withdrawal(subscriber=subscribers[0], sequence=1))
    await mark_restored(owner)
    assert await claim(ledger, expired) == await claim(ledger, message) == []
    assert await states(ledger, expired.broadcast) == {"expired": 1}
    assert await states(ledger, message.broadcast) == {"suppressed": 1, "unknown": 1}


async def test_a_forgotten_reply_is_held_and_its_stop_counts(ledger: PostgresLedger, owner: asyncpg.Connection) -> None:
    person = generate_id()
    old = build_reply(Withdrawal(subscriber=person, sequence=1))
    before = datetime.now(UTC)
    after = await mark_restored(owner)
    new = build_reply()
    claims = await ledger.claim_replies([(old, before), (new, after)])
    assert [one.delivery for one in claims] == [new.reply]
    assert await states(ledger, old.reply) == {"unknown": 1}
    assert await let_the_stream_pass(ledger) == 0
    message = build_batch_message([person])
    assert await claim(ledger, message) == []
    assert await states(ledger, message.broadcast) == {"suppressed": 1}


async def test_a_status_of_what_was_sent_before_the_restore_proves_nothing(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """It is about a message of before, whose row is new."""
    reply, before = build_reply(), datetime.now(UTC)
    await mark_restored(owner)
    _, (lost,) = await claim_new(ledger)
    await backdate(ledger, lost)
    await ledger.record([build_record(lost, DeliveryState.UNKNOWN)])
    assert await ledger.claim_replies([(reply, before)]) == []
    await ledger.apply_statuses([build_update(reply.reply, DeliveryState.DELIVERED)])
    assert await states(ledger, reply.reply) == {"delivered": 1}
    assert await ledger.requeue_unknown(0, 10) == 0


async def test_a_correction_of_before_is_held_and_one_of_afterwards_reaches_whoever_may_have_got_it(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    subscribers = generate_subscribers(3)
    message = build_batch_message(subscribers)
    await accept(ledger, await claim(ledger, message, 2))
    before = follow_up(message.broadcast)
    await mark_restored(owner)
    await claim(ledger, message)  # the rest is held back
    assert await states(ledger, message.broadcast) == {"accepted": 2, "unknown": 1}
    old, new = await begin(ledger, before), await begin(ledger, follow_up(message.broadcast))
    await follow(ledger)
    assert await states(ledger, old) == {"unknown": 3}
    assert await read_audience(ledger, new) == 3
    assert len(await ledger.claim_due(Lane.URGENT, 10)) == 3


@pytest.mark.parametrize("restored", [True, False])
async def test_a_failure_of_before_is_not_tried_again_since_that_may_have_happened(
    ledger: PostgresLedger, owner: asyncpg.Connection, restored: bool
) -> None:
    source, claims = await claim_new(ledger)
    await accept(ledger, claims)
    if restored:
        await mark_restored(owner)
    await ledger.apply_statuses([failed(claims[0].delivery)])
    assert await states(ledger, source) == {"failed" if restored else "waiting": 1}


async def test_a_broadcast_whose_other_pages_are_lost_ends_and_is_no_alarm(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """The last of three pages survived at the broker."""
    message = msgspec.structs.replace(build_batch_message(generate_subscribers(2)), offset=200, page=2)
    await mark_restored(owner)
    await claim(ledger, message)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    expire = "update dispatcher.broadcast set expires_at = $1, awaited_at = $1, progressed_at = now() - interval '61 s'"
    await ledger.database.fetchval(expire, long_ago)
    assert (await ledger.read_backlog()).unaccounted == 0
    (progress,) = await ledger.collect_progress(1.0)
    assert (progress.finished, progress.audience) == (True, 2)


async def test_a_broadcast_that_is_expanded_again_ends_though_somebody_has_left_since_its_first_pages(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(3))
    await accept(ledger, await claim(ledger, msgspec.structs.replace(message, last=False)))
    await mark_restored(owner)
    assert await claim(ledger, msgspec.structs.replace(message, recipients=message.recipients[:2])) == []
    (progress,) = await ledger.collect_progress(1.0)
    assert (progress.finished, progress.audience) == (True, 3)
    assert (await ledger.read_backlog()).unaccounted == 0
