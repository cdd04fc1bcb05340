"""The pool of databases for tests: an emptied database is lent again, a changed one is not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from tests.database_pool import DatabasePool, create_pool
from tests.databases import FreshDatabase
from tests.servers import Servers, run_as_superuser

OID = "select oid from pg_database where datname = current_database()"


@pytest.fixture
async def pool(servers: Servers, database_template: str) -> AsyncIterator[DatabasePool]:
    async with create_pool(servers, database_template) as pool:
        yield pool


@asynccontextmanager
async def connect(database: FreshDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.url)
    try:
        yield connection
    finally:
        await connection.close()


async def read_oid(pool: DatabasePool) -> int:
    async with pool.lend() as database, connect(database) as connection:
        return int(await connection.fetchval(OID))


async def test_a_returned_database_is_lent_again_empty_and_under_another_name(pool: DatabasePool) -> None:
    async with pool.lend() as first, connect(first) as connection:
        oid = await connection.fetchval(OID)
        await connection.execute("insert into dispatcher.template_pause values ('t/de', 'a test')")
    async with pool.lend() as second, connect(second) as connection:
        assert await connection.fetchval(OID) == oid
        assert await connection.fetchval("select count(*) from dispatcher.template_pause") == 0
        assert await connection.fetchval("select count(*) from dispatcher.schema_migrations") > 0
    assert first.name != second.name


@pytest.mark.parametrize(
    "change",
    [
        "create table left_over ()",
        "revoke select on dispatcher.restore from kreisfunk_operator",
        "alter table dispatcher.rate disable trigger limit_rises",
        "comment on table dispatcher.template_pause is 'changed'",
        "do $$ begin execute format('alter database %I set work_mem = 1024', current_database()); end $$",
        "insert into dispatcher.template_pause values ('t/de', 'a test'); analyze dispatcher.template_pause",
    ],
    ids=["table", "right", "trigger", "comment", "setting", "statistic"],
)
async def test_a_database_that_was_changed_is_not_lent_again(pool: DatabasePool, change: str) -> None:
    async with pool.lend() as database, connect(database) as connection:
        oid = await connection.fetchval(OID)
        await connection.execute(change)
    assert await read_oid(pool) != oid


async def test_a_database_that_accepts_no_connections_is_dropped(pool: DatabasePool, servers: Servers) -> None:
    """As a test leaves it that failed in the meantime."""
    async with pool.lend() as database:
        await run_as_superuser(servers, f"alter database {database.name} allow_connections false")
    connection = await asyncpg.connect(servers.database_url)
    try:
        assert not await connection.fetchval("select count(*) from pg_database where datname = $1", database.name)
    finally:
        await connection.close()
