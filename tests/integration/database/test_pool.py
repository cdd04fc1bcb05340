"""A pool whose server has become a standby finds the one that accepts writes; one that is gone keeps no locks."""

import asyncio

import pytest
from asyncpg import ConnectionDoesNotExistError

from shared.database.pool import SERVER_SETTINGS, DatabaseUnavailable, connect, open_database
from tests.databases import FreshDatabase
from tests.servers import wait_for

WRITE = "create table was_written ()"


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
        with pytest.raises(ConnectionDoesNotExistError):
            await stuck
