"""However many deliveries wait, for whatever cause, few blocks are read to count them and to find what may be sent."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.maintenance import requeue_waiting
from shared.contracts.message import Lane
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase
from tests.factories.ids import generate_id
from tests.integration.dispatcher.factories import (
    add_waiting,
    build_batch_message,
    build_record,
    claim,
    generate_subscribers,
    limit,
)

# Of each cause.
FEW, MANY = 400, 10_000
DUE = 8
# An index of 25 times as many rows is deeper, so that each lookup reads another block or two.
GROWTH = 3.0
ROUNDS = 3

BLOCKS = """
select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))::int
from pg_statio_user_tables where schemaname = 'dispatcher'
"""
PARTITIONS = "select inhrelid::regclass::text from pg_inherits where inhparent = 'dispatcher.delivery'::regclass"
REPLIES = """
insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed, asked_at,
    expires_at, due_at, waits_for)
select person, person, 'reply', 'waiting', 'phone', '', '', now(), now() + interval '1 day', now(),
    $1::text::dispatcher.wait_cause
from (select dispatcher.delivery_id($2, gen_random_uuid()) as person from generate_series(1, $3)) people
"""
EXACTLY = """
select d.lane::text, d.waits_for::text as cause, count(*)::int as deliveries, min(d.due_at) as due_at
from dispatcher.delivery d where d.waits_for is not null group by d.lane, d.waits_for order by d.lane, 3 desc
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
    "template_paused": [("template", None, 1), ("spread", LATER, 0)],
}


@pytest.fixture
async def pool(database: FreshDatabase, owner: asyncpg.Connection) -> AsyncIterator[Pool]:
    """A single connection, which counts, and plans only once: the planner reads some blocks, too, if only so many."""
    await owner.execute(f"alter database {database.name} set plan_cache_mode = force_generic_plan")
    # Autovacuum's ANALYZE holds a snapshot: meanwhile dead entries of an index are read again and again.
    for (partition,) in await owner.fetch(PARTITIONS):
        await owner.execute(f"alter table {partition} set (autovacuum_enabled = false)")
    async with database.open_pool("kreisfunk_dispatcher", size=1) as pool:
        yield pool


async def count_blocks(pool: Pool) -> int:
    """All blocks of the ledger that were read so far, from memory or disk."""
    await pool.fetchval("select pg_stat_force_next_flush()")
    await pool.fetchval("select pg_stat_clear_snapshot()")
    return int(await pool.fetchval(BLOCKS))


async def measure(ledger: PostgresLedger, pool: Pool) -> dict[str, int]:
    """The fewest blocks that each step reads in a round: all is planned at first, and may be analyzed meanwhile."""
    rounds = []
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
        rounds.append([after - before for before, after in pairwise(blocks)])
    steps = ("find_work", "claim_due", "record", "requeue_waiting", "read_backlog")
    return {step: min(counts) for step, counts in zip(steps, zip(*rounds, strict=True), strict=True)}


async def exhaust_limits(ledger: PostgresLedger, owner: asyncpg.Connection) -> None:
    """No more people today, and no more messages this month, than those in the ledger."""
    await limit(ledger, people=DUE, messages=DUE)
    await owner.execute("insert into dispatcher.sent_month values (dispatcher.this_month(), $1)", DUE)


async def test_what_waits_costs_what_may_be_sent_nothing_whatever_it_waits_for(
    ledger: PostgresLedger, pool: Pool, owner: asyncpg.Connection
) -> None:
    broadcasts = {name: build_batch_message(generate_subscribers(DUE)).broadcast for name in CAUSES}
    running = build_batch_message(generate_subscribers(DUE), broadcast=broadcasts["running"])
    due = await claim(ledger, running)
    for name in ("paused", "template_paused"):
        message = build_batch_message([], broadcast=broadcasts[name])
        await ledger.register(message, {})
    await ledger.record([build_record(one, DeliveryState.WAITING) for one in due])
    await exhaust_limits(ledger, owner)
    await owner.execute("update dispatcher.broadcast set paused_reason = 'a test' where id = $1", broadcasts["paused"])
    await owner.execute(
        "update dispatcher.broadcast set template = 'template_paused/de' where id = $1", broadcasts["template_paused"]
    )
    await owner.execute("insert into dispatcher.template_pause values ('template_paused/de', 'a test')")

    async def add(each: int) -> dict[str, int]:
        for name, broadcast in broadcasts.items():
            for cause, after, claims in CAUSES[name]:
                await add_waiting(owner, broadcast, cause, each, after, claims)
        await owner.execute("vacuum analyze dispatcher.delivery")
        return await measure(ledger, pool)

    few, many = await add(FEW), await add(MANY)
    grown = {step: (few[step], many[step]) for step in few if many[step] > GROWTH * few[step]}
    assert not grown


async def add_broadcast(owner: asyncpg.Connection, ledger: PostgresLedger, causes: dict[str, int], lane: Lane) -> UUID:
    message = build_batch_message([], lane=lane)
    await ledger.register(message, {})
    for cause, number in causes.items():
        await add_waiting(owner, message.broadcast, cause, number, None if cause == "resume" else LATER)
    # Counters of a second replica, and of another state.
    await owner.execute(
        "insert into dispatcher.broadcast_count values ($1, 'waiting', 2, 0), ($1, 'sent', 1, 7)", message.broadcast
    )
    return message.broadcast


async def count(owner: asyncpg.Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await owner.fetch("select * from dispatcher.count_waiting()")]


async def test_the_counts_are_exact_as_long_as_a_broadcast_has_one_large_part(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    assert await count(owner) == []
    await add_broadcast(owner, ledger, {"rate": 3, "again": 1_000, "people": 2_500}, Lane.BULK)
    await add_broadcast(owner, ledger, {"rate": 1_001}, Lane.BULK)
    await add_broadcast(owner, ledger, {"resume": 1_500, "pair": 1}, Lane.URGENT)
    finished = await add_broadcast(owner, ledger, {}, Lane.BULK)
    await owner.execute("update dispatcher.broadcast set finished_at = now() where id = $1", finished)
    for cause, number in (("again", 5), ("sender", 2)):
        await owner.execute(REPLIES, cause, generate_id(), number)
    exactly = [{**row, "at_least": False} for row in await owner.fetch(EXACTLY)]
    assert await count(owner) == exactly
    assert len(exactly) == 7


async def test_of_two_large_parts_it_says_that_they_are_large(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    await add_broadcast(owner, ledger, {"rate": 1_200, "resume": 1_300, "pair": 4}, Lane.BULK)
    await owner.execute(REPLIES, "again", generate_id(), 1_100)
    found = {row["cause"]: (row["deliveries"], row["at_least"]) for row in await count(owner)}
    assert found == {"rate": (1_000, True), "resume": (1_000, True), "pair": (4, False), "again": (1_000, True)}


async def read_buffers(owner: asyncpg.Connection) -> int:
    """Pages that counting reads, once catalogues and statistics are known."""
    await owner.execute("vacuum (analyze) dispatcher.delivery")
    await count(owner)
    plan = await owner.fetchval("explain (analyze, buffers, format json) select * from dispatcher.count_waiting()")
    root = json.loads(plan)[0]["Plan"]
    return int(root["Shared Hit Blocks"]) + int(root["Shared Read Blocks"])


async def test_ten_times_as_many_that_wait_cost_counting_the_same(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    source = await add_broadcast(owner, ledger, {"people": 4_000}, Lane.BULK)
    few = await read_buffers(owner)
    await add_waiting(owner, source, "people", 36_000, None)
    many = await read_buffers(owner)
    assert [row["deliveries"] for row in await count(owner)] == [40_000]
    assert many < 1.5 * few, (few, many)
