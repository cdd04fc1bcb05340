"""Figures of PostgreSQL's health, read by a role without any right to monitor."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from secrets import token_hex

import asyncpg

from shared.database.metrics import DatabaseCollector
from tests.databases import FreshDatabase
from tests.servers import wait_for

TRANSACTIONS = 100
DEAD_ROWS = """
    create table heap (value int) with (autovacuum_enabled = off);
    insert into heap select generate_series(1, 100);
    delete from heap where value > 20;
    select pg_stat_force_next_flush()
"""


async def read_metrics(database: FreshDatabase) -> Mapping[str, float]:
    """The values by name, without what all of them begin with."""
    collector = DatabaseCollector()
    async with database.open_pool("kreisfunk_subscriptions", size=1) as pool, pool.connection() as connection:
        await collector.refresh(connection)
    samples = [sample for metric in collector.collect() for sample in metric.samples]
    return {sample.name.removeprefix("kreisfunk_database_"): sample.value for sample in samples}


@asynccontextmanager
async def create_slot(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """As a standby has it that has gone away."""
    name = f"gone_{token_hex(4)}"
    await owner.execute("select pg_create_physical_replication_slot($1, true)", name)
    try:
        yield
    finally:
        await owner.execute("select pg_drop_replication_slot($1)", name)


async def test_transactions_dead_rows_and_checkpoints_are_counted(
    database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    before = await read_metrics(database)
    for _ in range(TRANSACTIONS):
        await owner.execute("select pg_current_xact_id()")
    await owner.execute(DEAD_ROWS)
    await owner.execute("checkpoint")

    async def are_counted() -> bool:
        after = await read_metrics(database)
        rows = [after[name] - before[name] for name in ("dead_rows", "live_rows")]
        checkpoints = [after[name] > before[name] for name in ("checkpoints_requested_total", "wal_bytes_total")]
        return rows == [80, 20] and all(checkpoints)

    await wait_for(are_counted)
    assert (await read_metrics(database))["transaction_age"] >= before["transaction_age"] + TRANSACTIONS
    assert before["checkpoints_timed_total"] >= 0


async def test_a_standby_that_has_gone_away_is_seen_by_what_is_kept_for_it(
    database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    before = await read_metrics(database)
    async with create_slot(owner):
        await owner.execute(DEAD_ROWS)
        during = await read_metrics(database)
        assert during["unused_replication_slots"] == before["unused_replication_slots"] + 1
        assert during["replication_lag_bytes"] > before["replication_lag_bytes"]
        assert during["replicas"] == 0
    assert (await read_metrics(database))["unused_replication_slots"] == before["unused_replication_slots"]
