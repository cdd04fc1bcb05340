"""The text of a reply stays only as long as the reply may be sent, whatever became of it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from cli.backup.holding import hold_everything
from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.retention import REPLY_ADDRESS_RETENTION, build_retention_rules
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.domain.status_updates import StatusUpdate
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from shared.database.retention import purge
from tests.integration.dispatcher.factories import (
    NUMBER,
    PERSON,
    STREAM_HAS_PASSED,
    build_record,
    build_reply,
)

RULES = build_retention_rules(90)
KEPT = """
select state::text, content is not null, address_index <> '' from dispatcher.delivery where id = $1
"""
MINUTE = timedelta(minutes=1)


async def read_contents(owner: asyncpg.Connection, reply: UUID) -> tuple[str, bool, bool]:
    """Return its state, and whether text and address are kept."""
    row = await owner.fetchrow(KEPT, reply)
    assert row is not None
    return tuple(row)


async def claim_one(ledger: PostgresLedger, state: DeliveryState) -> ReplyRequested:
    """A reply that was not sent, or perhaps was."""
    reply = build_reply()
    (claim,) = await ledger.claim_replies([(reply, datetime.now(UTC))])
    await ledger.record([build_record(claim, state)])
    return reply


async def expire(owner: asyncpg.Connection, reply: UUID, ago: timedelta) -> None:
    statement = "update dispatcher.delivery set expires_at = now() - $2::interval, claimed_at = now() - $2"
    await owner.execute(f"{statement} where id = $1", reply, ago)


async def test_a_reply_that_comes_too_late_leaves_no_text(ledger: PostgresLedger, owner: asyncpg.Connection) -> None:
    late = build_reply(expires_in=-1)
    assert await ledger.claim_replies([(late, datetime.now(UTC))]) == []
    assert await read_contents(owner, late.reply) == ("expired", False, False)


async def test_a_reply_that_expires_while_it_waits_loses_its_text(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    reply = await claim_one(ledger, DeliveryState.WAITING)
    await expire(owner, reply.reply, MINUTE)
    assert await ledger.claim_due(Lane.REPLY, 10) == []
    assert await read_contents(owner, reply.reply) == ("expired", False, True)


async def test_a_reply_that_waited_until_its_week_is_dropped_loses_its_text(
    ledger: PostgresLedger, owner: asyncpg.Connection, pool: Pool
) -> None:
    reply = await claim_one(ledger, DeliveryState.WAITING)
    await expire(owner, reply.reply, timedelta(days=90) + MINUTE)
    assert await purge(pool, RULES["waiting_delivery"]) == 1
    assert await read_contents(owner, reply.reply) == ("expired", False, True)


@pytest.mark.parametrize(("state", "then"), [("waiting", "suppressed"), ("unknown", "unknown")])
async def test_an_erasure_takes_the_text_with_the_address(
    ledger: PostgresLedger, owner: asyncpg.Connection, state: str, then: str
) -> None:
    reply = await claim_one(ledger, DeliveryState(state))
    erase = "select dispatcher.erase_addresses('{}', $1)"
    await owner.execute(erase, [PERSON.index])
    assert await read_contents(owner, reply.reply) == (state, True, True), "it may still be sent"
    await expire(owner, reply.reply, MINUTE)
    await owner.execute(erase, [PERSON.index])
    assert await read_contents(owner, reply.reply) == (then, False, False)


@pytest.mark.parametrize("state", [DeliveryState.UNKNOWN, DeliveryState.WAITING])
async def test_a_reply_loses_text_and_address_a_day_after_its_expiry(
    ledger: PostgresLedger, owner: asyncpg.Connection, pool: Pool, state: DeliveryState
) -> None:
    """Even while nothing is sent, and while nobody knows whether it was."""
    old, young = [await claim_one(ledger, state) for _ in range(2)]
    await expire(owner, old.reply, REPLY_ADDRESS_RETENTION + MINUTE)
    await expire(owner, young.reply, REPLY_ADDRESS_RETENTION - MINUTE)
    assert await purge(pool, RULES["reply_address"]) == 1
    assert await read_contents(owner, old.reply) == (state, False, False)
    assert await read_contents(owner, young.reply) == (state, True, True)
    age = await owner.fetchval(f"select now() - ({RULES['reply_address'].oldest_query})")
    assert timedelta(0) < REPLY_ADDRESS_RETENTION - age < 2 * MINUTE


async def test_a_reply_without_text_is_never_sent_again(
    ledger: PostgresLedger, owner: asyncpg.Connection, pool: Pool
) -> None:
    """Not when Meta reports a failure, and not when it is proven to be unsent."""
    refused, unsent, waiting = [
        await claim_one(ledger, state)
        for state in (DeliveryState.UNKNOWN, DeliveryState.UNKNOWN, DeliveryState.WAITING)
    ]
    for one in (refused, unsent, waiting):
        await expire(owner, one.reply, REPLY_ADDRESS_RETENTION + MINUTE)
    assert await purge(pool, RULES["reply_address"]) == 3
    failed = StatusUpdate(refused.reply, DeliveryState.FAILED, b"k", 131000, 3, (0.0,), "again")
    assert (await ledger.apply_statuses([failed])).changed == 1
    await owner.execute(STREAM_HAS_PASSED, NUMBER)
    assert await ledger.requeue_unknown(300, 21) == 1
    assert await ledger.claim_due(Lane.REPLY, 10) == []
    ended = [(await read_contents(owner, one.reply))[0] for one in (refused, unsent, waiting)]
    assert ended == ["failed", "expired", "expired"]


async def test_a_reply_that_a_restore_holds_keeps_its_text_no_longer_than_any_other(
    ledger: PostgresLedger, owner: asyncpg.Connection, pool: Pool
) -> None:
    waiting, old = [await claim_one(ledger, DeliveryState.WAITING) for _ in range(2)]
    await expire(owner, old.reply, REPLY_ADDRESS_RETENTION + MINUTE)
    async with owner.transaction():
        await hold_everything(owner, datetime.now(UTC))
    assert await purge(pool, RULES["reply_address"]) == 1
    assert await read_contents(owner, waiting.reply) == ("unknown", True, True)
    assert await read_contents(owner, old.reply) == ("unknown", False, False)
