"""A pool finds the server that accepts writes, waits for what passes by itself, and keeps no locks once it is gone."""

import asyncio
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from shared.database.pool import SERVER_SETTINGS, DatabaseUnavailable, connect, open_database
from tests.databases import ROLE_PASSWORD, FreshDatabase
from tests.servers import Servers, run_as_superuser, wait_for

WRITE = "create table was_written ()"
IO_ERROR, DISK_FULL, UNDEFINED_FILE = "58030", "53100", "58P01"


async def assert_is_waited_for(url: str, *statements: str) -> None:
    """A message that met such a failure is no dead letter."""
    async with open_database(url, password=None, name="test", size=1) as pool:
        for statement in statements:
            with pytest.raises(DatabaseUnavailable):
                await pool.fetch(statement)


async def test_a_disk_that_fails_for_now_is_waited_for(database: FreshDatabase) -> None:
    failures = [
        f"do $$ begin raise exception 'could not read block' using errcode = '{code}'; end $$"
        for code in (IO_ERROR, DISK_FULL, UNDEFINED_FILE)
    ]
    await assert_is_waited_for(database.url, *failures)


async def test_a_database_that_is_being_made_anew_is_waited_for(database: FreshDatabase) -> None:
    await assert_is_waited_for(urlunsplit(urlsplit(database.url)._replace(path="/not_yet_restored")), "select 1")


@pytest.mark.parametrize(
    ("close", "reopen"),
    [
        ("alter database {} allow_connections false", "alter database {} allow_connections true"),
        ("revoke connect on database {} from public", "grant connect on database {} to public"),
    ],
)
async def test_a_database_that_an_administrator_has_closed_is_waited_for(
    database: FreshDatabase, servers: Servers, close: str, reopen: str
) -> None:
    await run_as_superuser(servers, close.format(database.name))
    try:
        await assert_is_waited_for(database.build_role_url("kreisfunk_subscriptions"), "select 1")
    finally:
        await run_as_superuser(servers, reopen.format(database.name))


async def test_a_login_that_is_refused_for_now_is_waited_for(
    database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    """Somebody renews the password, and has told only one side so far. Then the pool still has all its connections."""
    await owner.execute("create role refused_for_now nologin")
    try:
        async with open_database(
            database.build_role_url("refused_for_now"), password=None, name="test", size=1
        ) as pool:
            with pytest.raises(DatabaseUnavailable):
                await pool.fetchval("select 1")
            await owner.execute(f"alter role refused_for_now login password '{ROLE_PASSWORD}'")
            assert await pool.fetchval("select 1") == 1
    finally:
        await owner.execute("drop role refused_for_now")


async def test_a_table_that_gets_a_column_meanwhile_is_waited_for(
    database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    """A newer version has migrated while this one still runs; outside of a transaction the driver repeats it itself."""
    await owner.execute("create table migrated ()")
    async with open_database(database.url, password=None, name="test", size=1) as pool:

        async def read_once() -> list[asyncpg.Record]:
            async with pool.transaction() as connection:
                return await connection.fetch("select * from migrated")

        await read_once()
        await owner.execute("alter table migrated add column name text")
        with pytest.raises(DatabaseUnavailable):
            await read_once()
        assert await read_once() == []


async def test_a_session_on_a_server_that_accepts_no_writes_any_more_is_not_used_again(database: FreshDatabase) -> None:
    async with open_database(database.url, password=None, name="test", size=1) as pool:
        async with pool.connection() as connection:
            await connection.execute("set default_transaction_read_only = on")  # as on a standby
        try:
            await pool.fetchval(WRITE)
        except DatabaseUnavailable:
            await pool.fetchval(WRITE)
        else:
            raise AssertionError("it was no standby")


async def test_a_process_that_takes_none_of_an_answer_keeps_its_locks_for_seconds_only(database: FreshDatabase) -> None:
    """As if its machine were gone while the server writes to it: no other time-out ends that."""
    gone = await connect(database.url, server_settings=SERVER_SETTINGS)
    async with open_database(database.url, password=None, name="other", size=1) as other:

        async def is_free() -> bool:
            return bool(await other.fetchval("select pg_try_advisory_lock(1) and pg_advisory_unlock(1)"))

        await gone.execute("select pg_advisory_lock(1)")
        gone._transport.pause_reading()  # type: ignore[attr-defined]  # there is no other way to take nothing
        stuck = asyncio.create_task(gone.execute("select repeat('x', 1000000) from generate_series(1, 30)"))
        assert not await is_free()
        await wait_for(is_free)
        gone.terminate()
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await stuck
