"""The ledger on a real PostgreSQL, with the rights that the service has."""

import asyncio
import random
from datetime import UTC, datetime
from itertools import product

import msgspec
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.ledger_results import MAX_RESENDS
from services.dispatcher.domain.states import DeliveryState
from shared.contracts.dispatch import Withdrawal
from shared.contracts.ids import delivery_id
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from tests.factories.state_model import advance
from tests.integration.dispatcher.factories import (
    backdate,
    build_batch_message,
    build_record,
    build_reply,
    build_update,
    claim,
    claim_new,
    generate_subscribers,
    states,
)

STATES = (DeliveryState.ACCEPTED, DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED)


async def test_the_lattice_in_sql_is_the_lattice_in_python(pool: Pool) -> None:
    for old, new in product(DeliveryState, STATES):
        told = await pool.fetchval(
            "select dispatcher.advance($1::text::dispatcher.delivery_state, $2::text::dispatcher.delivery_state)",
            old.value,
            new.value,
        )
        assert told == advance(old, new), (old, new)


async def test_nobody_is_claimed_twice_however_many_try(ledger: PostgresLedger) -> None:
    message = build_batch_message(generate_subscribers(100))
    rounds = await asyncio.gather(*(claim(ledger, message) for _ in range(6)))
    claimed = [item.delivery for claims in rounds for item in claims]
    assert len(claimed) == len(set(claimed)) == 100
    assert await states(ledger, message.broadcast) == {"claimed": 100}


async def test_who_is_in_a_batch_twice_is_claimed_once(ledger: PostgresLedger) -> None:
    message = build_batch_message(generate_subscribers(3))
    doubled = msgspec.structs.replace(message, recipients=message.recipients * 2)
    claims = await claim(ledger, doubled)
    assert len({one.delivery for one in claims}) == len(claims) == 3


async def test_a_withdrawal_holds_for_what_was_decided_before_it_and_not_after(ledger: PostgresLedger) -> None:
    """One that comes again later, or an older one, undoes no newer one."""
    early, late, elsewhere = generate_subscribers(3)
    for sequence in (1, 0):
        await ledger.withdraw(Withdrawal(subscriber=early, sequence=sequence))
    await ledger.withdraw(Withdrawal(subscriber=late, sequence=0))
    await ledger.withdraw(Withdrawal(subscriber=elsewhere, sequence=9, topic="stellen"))
    message = build_batch_message([early, late, elsewhere])
    claims = await claim(ledger, message)
    assert {item.delivery for item in claims} == {delivery_id(message.broadcast, one) for one in (late, elsewhere)}


async def test_the_suppression_is_there_before_its_confirmation_can_leave(ledger: PostgresLedger) -> None:
    (person,) = generate_subscribers(1)
    confirmation = build_reply(Withdrawal(subscriber=person, sequence=2))
    claims = await ledger.claim_replies([(confirmation, datetime.now(UTC))])
    assert [item.delivery for item in claims] == [confirmation.reply]
    assert await claim(ledger, build_batch_message([person])) == []


async def test_expired_and_cancelled_recipients_are_on_record_and_not_sent(ledger: PostgresLedger) -> None:
    """Also while their broadcast is paused: they wait for nothing."""
    late, cancelled = (
        build_batch_message(generate_subscribers(3), expires_in=-1),
        build_batch_message(generate_subscribers(2)),
    )
    await ledger.cancel(cancelled.broadcast, "withdrawn")
    for message in (late, cancelled):
        await ledger.register(message, {})
        await ledger.pause_broadcast(message.broadcast, "a test")
    assert await claim(ledger, late) == await claim(ledger, cancelled) == []
    assert await states(ledger, late.broadcast) == {"expired": 3}
    assert await states(ledger, cancelled.broadcast) == {"cancelled": 2}
    addresses = await ledger.database.fetchval(
        "select count(*) from dispatcher.delivery where address_index <> '' or address_sealed <> ''"
    )
    assert addresses == 0, "who never gets it needs no address"


async def test_a_reply_is_claimed_once_and_not_after_its_window(ledger: PostgresLedger) -> None:
    fresh, late = build_reply(), build_reply(expires_in=-1)
    asked = [(item, datetime.now(UTC)) for item in (fresh, late)]
    first = await ledger.claim_replies(asked)
    assert [item.delivery for item in first] == [fresh.reply]
    assert await ledger.claim_replies(asked) == []


async def test_what_waits_is_claimed_again_when_due_with_what_is_to_be_sent(ledger: PostgresLedger) -> None:
    message = build_batch_message(generate_subscribers(2), lane=Lane.URGENT)
    now, later = await claim(ledger, message)
    await ledger.record(
        [build_record(now, DeliveryState.WAITING), build_record(later, DeliveryState.WAITING, seconds=3600)]
    )
    due, _ = await ledger.find_work()
    assert due == {Lane.URGENT: 1}
    (again,) = await ledger.claim_due(Lane.URGENT, 10)
    assert (again.delivery, again.attempt, again.content) == (now.delivery, 2, now.content)
    due, _ = await ledger.find_work()
    assert not due
    assert await states(ledger, message.broadcast) == {"claimed": 1, "waiting": 1}


async def test_a_reply_that_waits_keeps_its_text_and_one_that_left_does_not(ledger: PostgresLedger) -> None:
    item = build_reply()
    (first,) = await ledger.claim_replies([(item, datetime.now(UTC))])
    await ledger.record([build_record(first, DeliveryState.WAITING)])
    (again,) = await ledger.claim_due(Lane.REPLY, 1)
    assert again.content == first.content
    await ledger.record([build_record(again, DeliveryState.ACCEPTED)])
    assert await ledger.database.fetchval("select content from dispatcher.delivery where id = $1", item.reply) is None


async def test_whatever_the_order_of_results_and_statuses_the_end_is_the_same(ledger: PostgresLedger) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        source, claims = await claim_new(ledger, 5)
        proofs = (DeliveryState.SENT, DeliveryState.DELIVERED)
        events = [(one, state) for one in claims for state in (DeliveryState.ACCEPTED, *proofs)]
        events += [(claims[0], DeliveryState.FAILED), (claims[1], DeliveryState.READ)]
        events += chance.sample(events, 5)
        chance.shuffle(events)
        for one, state in events:
            if state is DeliveryState.ACCEPTED:
                await ledger.record([build_record(one, state)])
            else:
                await ledger.apply_statuses([build_update(one.delivery, state)])
        assert await states(ledger, source) == {"delivered": 4, "read": 1}, seed


async def test_statuses_of_foreign_deliveries_are_counted_as_unmatched(ledger: PostgresLedger) -> None:
    applied = await ledger.apply_statuses([build_update(generate_subscribers(1)[0], DeliveryState.SENT)])
    assert (applied.changed, applied.unmatched) == (0, 1)


async def test_absence_is_proof_only_when_the_stream_has_passed(ledger: PostgresLedger) -> None:
    source, (lost, arrived, later) = await claim_new(ledger, 3)
    assert await ledger.mark_unknown() == 0
    await backdate(ledger, lost, arrived)
    assert await ledger.mark_unknown() == 2, "nobody answers for these claims"
    assert await ledger.requeue_unknown(0, 10) == 0, "no status of a later message has come"
    await ledger.apply_statuses([build_update(arrived.delivery, DeliveryState.SENT)])
    assert await ledger.requeue_unknown(0, 10) == 0, "a status of the same moment proves nothing"
    await ledger.apply_statuses([build_update(later.delivery, DeliveryState.SENT)])
    assert await ledger.requeue_unknown(60, 10) == 0, "the grace time is not over"
    assert await ledger.requeue_unknown(0, 10) == 1
    assert await states(ledger, source) == {"waiting": 1, "sent": 2}


async def test_an_unknown_delivery_is_sent_again_for_each_proof_and_not_for_ever(ledger: PostgresLedger) -> None:
    source, (lost, later) = await claim_new(ledger, 2)
    requeued = []
    for _ in range(MAX_RESENDS + 1):
        await backdate(ledger, lost)
        await ledger.mark_unknown()
        await ledger.apply_statuses([build_update(later.delivery, DeliveryState.SENT)])
        requeued.append(await ledger.requeue_unknown(0, 10))
        await ledger.claim_due(Lane.BULK, 10)
    assert requeued == [1] * MAX_RESENDS + [0]
    await ledger.mark_unknown()
    assert await ledger.requeue_unknown(0, 0) == 0
    assert await states(ledger, source) == {"unknown": 1, "sent": 1}


async def test_progress_is_told_once_and_ends_when_nothing_waits(ledger: PostgresLedger) -> None:
    source, claims = await claim_new(ledger, 2)
    assert await ledger.get_progress(source), "who asks takes it from nobody"
    told = await asyncio.gather(*(ledger.collect_progress(60) for _ in range(3)))
    (progress,) = [item for items in told for item in items]
    assert (progress.audience, progress.states, progress.finished) == (2, {DeliveryState.CLAIMED: 2}, False)
    await ledger.record([build_record(item, DeliveryState.ACCEPTED) for item in claims])
    assert 0 <= (await ledger.finish(source) or -1) < 3600
    assert await ledger.finish(source) is None
    assert (await ledger.read_backlog()).unaccounted == 0


async def test_a_lane_is_overdue_since_its_oldest_retry_was_due(ledger: PostgresLedger) -> None:
    for lane, dues in ((Lane.URGENT, (-90, -30)), (Lane.BULK, (60,))):
        message = build_batch_message(generate_subscribers(len(dues)), lane=lane)
        claims = await claim(ledger, message)
        pairs = zip(claims, dues, strict=True)
        await ledger.record([build_record(one, DeliveryState.WAITING, seconds=due) for one, due in pairs])
    overdue = (await ledger.read_backlog()).overdue_seconds
    assert overdue == {Lane.REPLY: 0, Lane.URGENT: pytest.approx(90, abs=10), Lane.BULK: 0}
