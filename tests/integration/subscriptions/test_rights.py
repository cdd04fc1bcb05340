"""What the migrations make, and what each role may do with it."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.subscriptions.wiring import MIGRATIONS
from shared.database.migrations import migrate, pending_versions
from tests.databases import Database, fresh_database
from tests.integration.subscriptions.conftest import ROLE
from tests.integration.subscriptions.stand import Stand
from tests.servers import Servers
from tests.unit.subscriptions.material import message

MONITOR = "kreisfunk_monitor"


@pytest.fixture
async def empty_database(servers: Servers) -> AsyncIterator[Database]:
    async with fresh_database(servers, "template1") as fresh:
        yield fresh


async def migrated(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return await migrate(connection, "subscriptions", MIGRATIONS)
    finally:
        await connection.close()


async def test_three_replicas_migrate_at_once_and_one_of_them_does_it(empty_database: Database) -> None:
    ran = await asyncio.gather(*(migrated(empty_database.url) for _ in range(3)))
    assert sorted(map(len, ran)) == [0, 0, len(list(MIGRATIONS.glob("*.sql")))]


async def test_the_service_sees_that_its_migrations_ran(database: Database) -> None:
    connection = await asyncpg.connect(database.url_as(ROLE))
    try:
        assert await pending_versions(connection, "subscriptions", MIGRATIONS) == []
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "create table subscriptions.more (id int)",
        "alter table subscriptions.subscriber add more int",
        "drop table subscriptions.inbox",
        "truncate subscriptions.inbox",
        "update subscriptions.consent set event = 'given'",
        "delete from subscriptions.consent",
        "update subscriptions.wording set text = ''",
        "delete from subscriptions.wording",
        "delete from subscriptions.broadcast",
        "insert into subscriptions.schema_migrations values ('1')",
        "create table public.more (id int)",
        "create schema more",
        "create role more",
    ],
)
async def test_the_service_may_not(database: Database, statement: str) -> None:
    connection = await asyncpg.connect(database.url_as(ROLE))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_service_reads_no_table_of_another_one(database: Database) -> None:
    admin = await asyncpg.connect(database.url)
    foreign = await admin.fetch("select schemaname, tablename from pg_tables where schemaname = 'dispatcher'")
    await admin.close()
    connection = await asyncpg.connect(database.url_as(ROLE))
    try:
        for schema, table in foreign:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"select * from {schema}.{table}")  # noqa: S608 - names out of the catalogue
    finally:
        await connection.close()
    assert foreign


async def test_the_monitor_counts_but_sees_no_address(stand: Stand, database: Database) -> None:
    await stand.receive(message("Start"))
    connection = await asyncpg.connect(database.url_as(MONITOR))
    try:
        assert await connection.fetchval("select count(*) from subscriptions.subscriber where sequence = 1") == 1
        assert await connection.fetchval("select count(audience) from subscriptions.broadcast") == 0
        for hidden in (
            "select phone_index from subscriptions.subscriber",
            "select user_sealed from subscriptions.subscriber",
            "select publications from subscriptions.inbox",
            "select message_key from subscriptions.inbox",
            "select body from subscriptions.pending_page",
            "select * from subscriptions.conversation",
            "update subscriptions.broadcast set state = 'cancelled'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(hidden)
    finally:
        await connection.close()
