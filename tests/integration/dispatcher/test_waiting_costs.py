"""However many deliveries wait, for whatever cause, what may be sent is found in the same few blocks."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import asyncpg
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.maintenance import requeue_waiting
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from shared.database.pool import open_database
from tests.databases import FreshDatabase
from tests.integration.dispatcher.factories import build_batch_message, build_record, generate_subscribers
from tests.integration.dispatcher.test_ledger import claim
from tests.integration.dispatcher.test_limits import different_people, limit

# Of each cause.
FEW, MANY = 400, 10_000
DUE = 8
# An index of 25 times as many rows is deeper, so that each lookup reads another block or two.
GROWTH = 3.0
ROUNDS = 3

_WAIT = """
insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, address_kind, address_index,
    address_sealed, asked_at, expires_at, due_at, waits_for, claim)
select dispatcher.delivery_id(b.id, p.subscriber), b.id, p.subscriber, 1, b.lane, 'waiting', 'phone',
    uuid_send(p.subscriber), '', now(), b.expires_at, now() + $3::interval, $2::text::dispatcher.wait_cause, $4
from dispatcher.broadcast b, (select gen_random_uuid() as subscriber from generate_series(1, $5)) p where b.id = $1
"""
_COUNT = "insert into dispatcher.broadcast_count values ($1, 'waiting', $2, $3)"
_BLOCKS = """
select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))::int
from pg_statio_user_tables where schemaname = 'dispatcher'
"""
LATER = timedelta(hours=6)
# By the broadcast that waits: cause, when it is due, claims so far.
CAUSES: dict[str, list[tuple[str, timedelta | None, int]]] = {
    "running": [
        ("people", None, 0),
        ("budget", None, 0),
        ("hours", LATER, 0),
        ("spread", LATER, 0),
        ("rate", LATER, 1),
        ("again", LATER, 1),
        ("slower", LATER, 1),
        ("pair", LATER, 1),
    ],
    "paused": [("resume", None, 0), ("spread", LATER, 0)],
    "held": [("template", None, 1), ("spread", LATER, 0)],
}


@pytest.fixture
async def pool(database: FreshDatabase, owner: asyncpg.Connection) -> AsyncIterator[Pool]:
    """A single connection, which counts, and plans only once: the planner reads some blocks, too, if only so many."""
    await owner.execute(f"alter database {database.name} set plan_cache_mode = force_generic_plan")
    url = database.build_role_url("kreisfunk_dispatcher")
    async with open_database(url, password=None, name="test", size=1) as pool:
        yield pool


async def count_blocks(pool: Pool) -> int:
    """All blocks of the ledger that were read so far, from memory or disk."""
    async with pool.connection() as connection:
        await connection.fetchval("select pg_stat_force_next_flush()")
        await connection.fetchval("select pg_stat_clear_snapshot()")
        return int(await connection.fetchval(_BLOCKS))


async def measure(ledger: PostgresLedger, pool: Pool) -> dict[str, int]:
    """The blocks that each step reads in the last round, when all is planned."""
    for _ in range(ROUNDS):
        blocks = [await count_blocks(pool)]
        due, _ = await ledger.find_work()
        blocks.append(await count_blocks(pool))
        claims = await ledger.claim_due(Lane.BULK, DUE)
        blocks.append(await count_blocks(pool))
        await ledger.record([build_record(one, DeliveryState.WAITING, attempted=False) for one in claims])
        blocks.append(await count_blocks(pool))
        await requeue_waiting(ledger)
        blocks.append(await count_blocks(pool))
        await ledger.read_backlog()
        blocks.append(await count_blocks(pool))
        assert (due[Lane.BULK], len(claims)) == (DUE, DUE)
    steps = ("find_work", "claim_due", "record", "requeue_waiting", "read_backlog")
    return {step: after - before for step, (before, after) in zip(steps, pairwise(blocks), strict=True)}


async def exhaust_limits(ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection) -> None:
    """No more people today, and no more messages this month, than those in the ledger."""
    await limit(pool, people=DUE, messages=DUE)
    await owner.execute("insert into dispatcher.sent_month values (dispatcher.this_month(), $1)", DUE)


async def test_what_waits_costs_what_may_be_sent_nothing_whatever_it_waits_for(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    broadcasts = {name: build_batch_message(generate_subscribers(DUE)).broadcast for name in CAUSES}
    running = different_people(build_batch_message(generate_subscribers(DUE), broadcast=broadcasts["running"]))
    due = await claim(ledger, running)
    for name in ("paused", "held"):
        message = build_batch_message([], broadcast=broadcasts[name])
        await ledger.register(message, {})
    await ledger.record([build_record(one, DeliveryState.WAITING) for one in due])
    await exhaust_limits(ledger, pool, owner)
    await owner.execute("update dispatcher.broadcast set paused_reason = 'a test' where id = $1", broadcasts["paused"])
    await owner.execute("update dispatcher.broadcast set template = 'held/de' where id = $1", broadcasts["held"])
    await owner.execute("insert into dispatcher.template_pause values ('held/de', 'a test')")

    async def add(each: int, slot: int) -> dict[str, int]:
        for name, broadcast in broadcasts.items():
            for cause, after, claims in CAUSES[name]:
                await owner.execute(_WAIT, broadcast, cause, after, claims, each)
            await owner.execute(_COUNT, broadcast, slot, each * len(CAUSES[name]))
        await owner.execute("vacuum analyze dispatcher.delivery")
        return await measure(ledger, pool)

    few, many = await add(FEW, 8), await add(MANY, 9)
    grown = {step: (few[step], many[step]) for step in few if many[step] > GROWTH * few[step]}
    assert not grown
