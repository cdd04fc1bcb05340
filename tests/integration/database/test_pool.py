"""A pool whose server has become a standby finds the one that accepts writes."""

from shared.database.pool import DatabaseUnavailable, open_database
from tests.databases import FreshDatabase

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
