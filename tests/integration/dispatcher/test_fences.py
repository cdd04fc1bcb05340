"""A result counts for its claim, a status for its message; what is repeated, late or out of order changes nothing."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any, cast

import asyncpg
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.send_results import Record
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.consumers import StatusHandler, fold, split_by_delivery
from services.dispatcher.handlers.maintenance import mark_statuses
from services.dispatcher.handlers.recorder import Recorder
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses
from shared.contracts.message import Lane, Message
from shared.database.pool import Database as Pool
from shared.outcome import InvalidDataError
from tests.integration.dispatcher.factories import (
    accept,
    backdate,
    build_record,
    build_update,
    claim_new,
    failed,
    states,
)

NOW = datetime.now(UTC)


async def test_a_result_that_is_written_twice_changes_nothing_of_a_newer_claim(ledger: PostgresLedger) -> None:
    """The answer to the first commit was lost; meanwhile another replica has the row."""
    ends = (DeliveryState.WAITING, DeliveryState.UNKNOWN, DeliveryState.FAILED, DeliveryState.EXPIRED)
    for state, attempted in product(ends, (True, False)):
        await assert_only_the_newest_claim_counts(ledger, state, attempted)


async def assert_only_the_newest_claim_counts(ledger: PostgresLedger, state: DeliveryState, attempted: bool) -> None:
    source, (first,) = await claim_new(ledger)
    await ledger.record([build_record(first, DeliveryState.WAITING, attempted=attempted)])
    (second,) = await ledger.claim_due(Lane.BULK, 1)
    assert second.number == first.number + 1
    await ledger.record([build_record(first, state, attempted=attempted)])
    assert await states(ledger, source) == {"claimed": 1}
    assert await ledger.claim_due(Lane.BULK, 1) == []
    await accept(ledger, [second], b"k")
    await ledger.record([build_record(first, state, attempted=attempted)])
    await accept(ledger, [second], b"k")
    assert await states(ledger, source) == {"accepted": 1}


async def test_a_late_failure_of_the_first_message_does_not_fail_a_row_that_waits_for_the_second(
    ledger: PostgresLedger,
) -> None:
    source, (first,) = await claim_new(ledger)
    await accept(ledger, [first], b"one")
    assert (await ledger.apply_statuses([failed(first.delivery, b"one")])).changed == 1
    for _ in range(3):
        await ledger.apply_statuses([build_update(first.delivery, DeliveryState.FAILED, b"one")])
        await ledger.apply_statuses([failed(first.delivery, b"one")])
    assert await states(ledger, source) == {"waiting": 1}
    (second,) = await ledger.claim_due(Lane.BULK, 1)
    await ledger.apply_statuses([failed(first.delivery, b"one")])
    assert await states(ledger, source) == {"claimed": 1}
    await accept(ledger, [second], b"two")
    await ledger.apply_statuses([failed(first.delivery, b"one")])
    assert await states(ledger, source) == {"accepted": 1}


@pytest.mark.parametrize("late", ["result", "status"])
async def test_what_was_said_of_a_message_before_it_failed_does_not_end_the_next_attempt(
    ledger: PostgresLedger, late: str
) -> None:
    """Our own result, or the status `sent`, comes after the failure of the same message."""
    source, (first,) = await claim_new(ledger)
    await ledger.apply_statuses([failed(first.delivery, b"one")])
    if late == "result":
        await accept(ledger, [first], b"one")
    else:
        await ledger.apply_statuses([build_update(first.delivery, DeliveryState.SENT, b"one")])
    assert await states(ledger, source) == {"waiting": 1}
    await ledger.apply_statuses([build_update(first.delivery, DeliveryState.DELIVERED, b"one")])
    assert await states(ledger, source) == {"delivered": 1}, "the phone is right"


async def claim_again(ledger: PostgresLedger, lost: Claim, later: Claim) -> Claim:
    """The first has no answer, and the stream of statuses has passed it."""
    await backdate(ledger, lost)
    await ledger.record([build_record(lost, DeliveryState.UNKNOWN)])
    await ledger.apply_statuses([build_update(later.delivery, DeliveryState.SENT)])
    assert await ledger.requeue_unknown(0, 10) == 1
    (again,) = await ledger.claim_due(Lane.BULK, 1)
    return again


async def test_a_failure_that_may_be_of_either_of_two_messages_is_of_neither(ledger: PostgresLedger) -> None:
    """The first had no answer and was sent again; its failure comes while the second is on its way."""
    source, (lost, later) = await claim_new(ledger, 2)
    again = await claim_again(ledger, lost, later)
    await ledger.apply_statuses([failed(lost.delivery, b"first")])
    await accept(ledger, [again], b"second")
    assert await states(ledger, source) == {"accepted": 1, "sent": 1}


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_failure_that_overtakes_the_acceptance_of_a_second_message_is_not_forgotten(
    ledger: PostgresLedger, *, is_late: bool
) -> None:
    """The database was away when the second was accepted, and Meta had already reported its failure."""
    source, (lost, later) = await claim_new(ledger, 2)
    again = await claim_again(ledger, lost, later)
    await ledger.apply_statuses([failed(lost.delivery, b"second")])
    if is_late:
        await ledger.record([build_record(again, DeliveryState.UNKNOWN)])
        await ledger.apply_statuses([failed(lost.delivery, b"second")])
    await accept(ledger, [again], b"second")
    await backdate(ledger, lost)
    await ledger.mark_unknown()
    assert await states(ledger, source) == {"unknown": 1, "sent": 1}
    await ledger.apply_statuses([build_update(later.delivery, DeliveryState.SENT)])
    assert await ledger.requeue_unknown(0, 10) == 1


async def test_the_late_failure_of_what_an_operator_gave_up_does_not_send_the_second_message_again(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    """An operator said that the first had failed, and sent again who had not got it."""
    source, (lost,) = await claim_new(ledger)
    await ledger.record([build_record(lost, DeliveryState.UNKNOWN)])
    await operator.execute("select dispatcher.settle_unknown($1, null, 'failed')", lost.delivery)
    await operator.execute("select dispatcher.resend_missing($1, false)", source)
    (again,) = await ledger.claim_due(Lane.BULK, 1)
    await ledger.apply_statuses([failed(lost.delivery, b"first")])
    assert await ledger.claim_due(Lane.BULK, 1) == []
    await accept(ledger, [again], b"second")
    assert await states(ledger, source) == {"accepted": 1}


async def test_a_repeated_failure_does_not_fail_what_an_operator_sent_again(
    ledger: PostgresLedger, operator: asyncpg.Connection
) -> None:
    source, (first,) = await claim_new(ledger)
    await accept(ledger, [first], b"one")
    failure = build_update(first.delivery, DeliveryState.FAILED, b"one")
    await ledger.apply_statuses([failure])
    await operator.execute("select dispatcher.resend_missing($1, false)", source)
    (again,) = await ledger.claim_due(Lane.BULK, 1)
    assert again.delivery == first.delivery
    await ledger.apply_statuses([failure])
    assert await states(ledger, source) == {"claimed": 1}


async def test_a_status_of_an_old_message_does_not_prove_what_came_after_it(ledger: PostgresLedger) -> None:
    """A late word about a first message says nothing about how far the stream is since the row's second claim."""
    _, (retried, lost) = await claim_new(ledger, 2)
    await backdate(ledger, retried, lost)
    await accept(ledger, [retried], b"one")
    await ledger.record([build_record(lost, DeliveryState.UNKNOWN)])
    await ledger.apply_statuses([failed(retried.delivery, b"one")])
    (again,) = await ledger.claim_due(Lane.BULK, 1)
    await accept(ledger, [again], b"two")
    await ledger.apply_statuses([build_update(retried.delivery, DeliveryState.DELIVERED, b"one")])
    assert await ledger.requeue_unknown(0, 10) == 0
    await ledger.apply_statuses([build_update(retried.delivery, DeliveryState.READ, b"two")])
    assert await ledger.requeue_unknown(0, 10) == 1


async def test_what_nobody_has_read_proves_nothing_however_long_ago_the_stream_had_passed(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """Meta repeated a status that we had not taken; it waits on the queue, and no dispatcher ran for minutes."""
    _, (lost, later) = await claim_new(ledger, 2)
    await backdate(ledger, lost, seconds=500)
    await ledger.record([build_record(lost, DeliveryState.UNKNOWN)])
    await ledger.apply_statuses([build_update(later.delivery, DeliveryState.SENT)])
    await owner.execute(
        "update dispatcher.status_stream set seen_at = seen_at - interval '400 s',"
        " arrived_at = arrived_at - interval '400 s'"
    )
    assert await ledger.requeue_unknown(300, 21) == 0, "nothing newer has been read"
    await ledger.apply_statuses([], datetime.now(UTC) - timedelta(seconds=350))
    assert await ledger.requeue_unknown(300, 0) == 0, "what came later may still be on the queue"
    await owner.execute("update dispatcher.status_stream set seen_at = seen_at - interval '1 s'")
    await ledger.apply_statuses([], datetime.now(UTC))
    assert await ledger.requeue_unknown(300, 21) == 0, "what was delivered together is still being stored"
    assert await ledger.requeue_unknown(300, 0) == 1


async def test_a_mark_is_read_behind_the_statuses_and_is_none(ledger: PostgresLedger) -> None:
    registry, published = CollectorRegistry(), list[Message]()

    async def publish(message: Message) -> None:
        published.append(message)

    handler = StatusHandler(ledger=ledger, pauses=cast(Any, None), meter=Metrics(registry, limit=80))
    await mark_statuses(publish, lambda: NOW)
    (mark,) = published
    assert isinstance(mark, DeliveryStatuses)
    await handler.apply(mark)
    assert await ledger.database.fetchval("select arrived_at from dispatcher.status_stream") == NOW
    assert registry.get_sample_value("kreisfunk_dispatcher_statuses_total", {"result": "unmatched"}) == 0


async def test_a_delivery_that_was_only_examined_tells_nothing_about_the_stream(ledger: PostgresLedger) -> None:
    source, (one,) = await claim_new(ledger)
    claimed_at = await ledger.database.fetchval("select claimed_at from dispatcher.delivery")
    await ledger.record([build_record(one, DeliveryState.WAITING)])
    await ledger.pause_broadcast(source, "a test")
    assert await ledger.claim_due(Lane.BULK, 1) == []
    await ledger.apply_statuses([build_update(one.delivery, DeliveryState.SENT)])
    assert await ledger.database.fetchval("select max(through) from dispatcher.status_stream") == claimed_at


async def test_a_failure_after_its_broadcast_has_finished_is_sent_again(ledger: PostgresLedger) -> None:
    source, (one,) = await claim_new(ledger)
    await accept(ledger, [one], b"one")
    assert [progress.finished for progress in await ledger.collect_progress(60)] == [True]
    await ledger.finish(source)
    await ledger.pause_template("t/de", "paused")
    await ledger.apply_statuses([failed(one.delivery, b"one")])
    assert await ledger.database.fetchval("select finished_at from dispatcher.broadcast") is None
    await ledger.requeue_waiting(10)
    assert await ledger.claim_due(Lane.BULK, 1) == [], "its template is paused"
    await ledger.database.fetchval("delete from dispatcher.template_pause")
    await ledger.requeue_waiting(10)
    assert len(await ledger.claim_due(Lane.BULK, 1)) == 1


async def test_what_waits_is_not_finished_even_if_the_progress_said_so_before(ledger: PostgresLedger) -> None:
    source, (one,) = await claim_new(ledger)
    await accept(ledger, [one], b"one")
    await ledger.collect_progress(60)
    await ledger.apply_statuses([failed(one.delivery, b"one")])
    await ledger.finish(source)
    assert await ledger.collect_progress(60) == [], "told a moment ago"
    progress = await ledger.get_progress(source)
    assert progress is not None
    assert not progress.finished


async def test_two_failures_in_one_group_are_each_of_its_own_message(ledger: PostgresLedger) -> None:
    """The repeated webhook about a first message and the first one about a second, stored at the same moment."""
    source, (first,) = await claim_new(ledger)
    await accept(ledger, [first], b"one")
    await ledger.apply_statuses([failed(first.delivery, b"one")])
    await accept(ledger, await ledger.claim_due(Lane.BULK, 1), b"two")
    said = DeliveryStatus(
        message_key=b"one", status="failed", at=NOW, received_at=NOW, delivery=str(first.delivery), error_code=131026
    )
    for batch in split_by_delivery(fold([said, msgspec.structs.replace(said, message_key=b"two")])):
        await ledger.apply_statuses(batch)
    assert await states(ledger, source) == {"failed": 1}


async def test_one_result_that_the_database_refuses_takes_no_other_with_it(ledger: PostgresLedger) -> None:
    source, claims = await claim_new(ledger, 20)
    registry = CollectorRegistry()
    recorder = Recorder(ledger, Metrics(registry, limit=80))
    for number, one in enumerate(claims):
        code = 99_999_999_999 if number == 13 else 131026
        recorder.add(partial(Record, one.delivery, one.number, DeliveryState.FAILED, error_code=code))
    running = asyncio.create_task(recorder.run())
    await asyncio.wait_for(recorder.idle.wait(), 60)
    running.cancel()
    assert registry.get_sample_value("kreisfunk_dispatcher_refused_rows_total", {"kind": "result"}) == 1
    assert await states(ledger, source) == {"failed": 19, "claimed": 1}


async def test_a_refused_value_is_told_from_a_database_that_is_away(pool: Pool) -> None:
    for statement, value in (("select $1::int", 2**40), ("select $1::text", "a\0b"), ("select 1 / $1::int", 0)):
        with pytest.raises(InvalidDataError):
            await pool.fetchval(statement, value)


async def test_no_status_is_missed_while_others_change_the_same_rows(ledger: PostgresLedger) -> None:
    """Results and statuses of the same deliveries in overlapping groups, on several connections at once."""
    chance = random.Random(7)
    source, claims = await claim_new(ledger, 100)
    unmatched: list[int] = []

    async def record(group: list[Claim]) -> None:
        await ledger.record(
            [build_record(one, DeliveryState.ACCEPTED)._replace(message_key=one.delivery.bytes) for one in group]
        )

    async def apply(group: list[Claim], state: DeliveryState) -> None:
        applied = await ledger.apply_statuses([build_update(one.delivery, state, one.delivery.bytes) for one in group])
        unmatched.append(applied.unmatched)

    async def change(group: list[Claim]) -> None:
        works = [record(group)]
        for state in (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ):
            mixed = chance.sample(group, len(group))
            works += [apply(mixed[:4], state), apply(mixed[4:], state)]
        chance.shuffle(works)
        await asyncio.gather(*works)

    await ledger.database.fetchval("analyze dispatcher.delivery")
    for start in range(0, 100, 10):
        await change(claims[start : start + 10])
    assert sum(unmatched) == 0
    assert await states(ledger, source) == {"read": 100}
