"""What waits for what is told without reading all that waits."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from tests.databases import FreshDatabase
from tests.factories.ids import generate_id

_BROADCAST = """
insert into dispatcher.broadcast (id, notice, revision, topic, lane, template, content, published_at, expires_at)
values ($1, 'n', 1, 't', $2::text::dispatcher.lane, 't', '{}', now(), now() + interval '1 day')
"""
_DELIVERIES = """
insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, address_kind, address_index,
    address_sealed, asked_at, expires_at, due_at, waits_for)
select dispatcher.delivery_id($1, person), $1, person, 1, $2::text::dispatcher.lane, 'waiting', 'phone', '', '', now(),
    now() + interval '1 day', case when $3 <> 'resume' then now() + n * interval '1 second' end,
    $3::text::dispatcher.wait_cause
from (select n, gen_random_uuid() as person from generate_series(1, $4) n) people
"""
_REPLIES = """
insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed, asked_at,
    expires_at, due_at, waits_for)
select person, person, 'reply', 'waiting', 'phone', '', '', now(), now() + interval '1 day', now(),
    $1::text::dispatcher.wait_cause
from (select dispatcher.delivery_id($2, gen_random_uuid()) as person from generate_series(1, $3)) people
"""
# Counters of two replicas, and of another state.
_COUNT = (
    "insert into dispatcher.broadcast_count values ($1, 'waiting', 1, $2), ($1, 'waiting', 2, 0), ($1, 'sent', 1, 7)"
)
_EXACTLY = """
select d.lane::text, d.waits_for::text as cause, count(*)::int as deliveries, min(d.due_at) as due_at
from dispatcher.delivery d where d.waits_for is not null group by d.lane, d.waits_for order by d.lane, 3 desc
"""


@pytest.fixture
async def owner(database: FreshDatabase, ledger: PostgresLedger) -> AsyncIterator[asyncpg.Connection]:
    """A ledger with its partitions."""
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()


async def add_waiting(owner: asyncpg.Connection, causes: Mapping[str, int], lane: str = "bulk") -> UUID:
    broadcast = generate_id()
    await owner.execute(_BROADCAST, broadcast, lane)
    for cause, count in causes.items():
        await owner.execute(_DELIVERIES, broadcast, lane, cause, count)
    await owner.execute(_COUNT, broadcast, sum(causes.values()))
    return broadcast


async def count(owner: asyncpg.Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await owner.fetch("select * from dispatcher.count_waiting()")]


async def test_the_counts_are_exact_as_long_as_a_broadcast_has_one_large_part(owner: asyncpg.Connection) -> None:
    assert await count(owner) == []
    await add_waiting(owner, {"rate": 3, "again": 1_000, "people": 2_500})
    await add_waiting(owner, {"rate": 1_001})
    await add_waiting(owner, {"resume": 1_500, "pair": 1}, lane="urgent")
    finished = await add_waiting(owner, {})
    await owner.execute("update dispatcher.broadcast set finished_at = now() where id = $1", finished)
    for cause, number in (("again", 5), ("sender", 2)):
        await owner.execute(_REPLIES, cause, generate_id(), number)
    exactly = [{**row, "at_least": False} for row in await owner.fetch(_EXACTLY)]
    assert await count(owner) == exactly
    assert len(exactly) == 7


async def test_of_two_large_parts_it_says_that_they_are_large(owner: asyncpg.Connection) -> None:
    await add_waiting(owner, {"rate": 1_200, "resume": 1_300, "pair": 4})
    await owner.execute(_REPLIES, "again", generate_id(), 1_100)
    found = {row["cause"]: (row["deliveries"], row["at_least"]) for row in await count(owner)}
    assert found == {"rate": (1_000, True), "resume": (1_000, True), "pair": (4, False), "again": (1_000, True)}


async def read_buffers(owner: asyncpg.Connection) -> int:
    """Pages that it reads, once catalogues and statistics are known."""
    await owner.execute("vacuum (analyze) dispatcher.delivery")
    await count(owner)
    plan = await owner.fetchval(
        "explain (analyze, buffers, format json) select * from dispatcher.count_waiting()", column=0
    )
    root = json.loads(plan)[0]["Plan"]
    return int(root["Shared Hit Blocks"]) + int(root["Shared Read Blocks"])


async def test_ten_times_as_many_that_wait_cost_the_same(owner: asyncpg.Connection) -> None:
    broadcast = await add_waiting(owner, {"people": 4_000})
    few = await read_buffers(owner)
    await owner.execute(_DELIVERIES, broadcast, "bulk", "people", 36_000)
    await owner.execute("update dispatcher.broadcast_count set deliveries = 40000 where slot = 1 and state = 'waiting'")
    many = await read_buffers(owner)
    assert [row["deliveries"] for row in await count(owner)] == [40_000]
    assert many < 1.5 * few, (few, many)
