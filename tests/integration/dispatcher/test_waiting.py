"""Deliveries that wait for a limit, a pause or the end of their week cost nothing until then."""

from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.maintenance import requeue_waiting
from shared.contracts.dispatch import Withdrawal
from shared.contracts.ids import delivery_id
from shared.contracts.message import Lane
from tests.integration.dispatcher.factories import (
    add_waiting,
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


async def test_a_replica_that_gets_a_batch_again_counts_nobody_again(ledger: PostgresLedger) -> None:
    await limit(ledger, people=5, messages=5)
    message = build_batch_message(generate_subscribers(5))
    assert [len(await claim(ledger, message)) for _ in range(3)] == [5, 0, 0]
    assert await ledger.database.fetchval("select sum(messages)::int from dispatcher.sent_month") == 5
    assert await ledger.database.fetchval("select sum(people)::int from dispatcher.reached_minute") == 5
