"""Locks that a backup holds, and the week that retention has to drop."""

import asyncpg

from tests.databases import FreshDatabase
from tests.faults.harder_faults import OLD_WEEK, hold_backup_locks

WEEK = f"delivery_{OLD_WEEK:%Y%m%d}"
DROP_OLD_WEEKS = "select dispatcher.drop_old_partitions(90)"


async def weeks(connection: asyncpg.Connection) -> int:
    """Return how many there are of the old one."""
    count: int = await connection.fetchval("select count(*) from pg_class where relname = $1", WEEK)
    return count


async def test_no_week_can_be_dropped_while_a_backup_reads_and_the_old_one_is_when_it_is_over(
    database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    async with hold_backup_locks(database.url):
        assert await weeks(owner) == 1
        assert await owner.fetchval(DROP_OLD_WEEKS) == 0
        assert await weeks(owner) == 1
        assert await owner.fetchval("select count(*) from dispatcher.delivery") == 0, "reading goes on"
        await owner.execute("insert into dispatcher.sent_month (month, messages) values ('2020-01-01', 1)")
    assert await owner.fetchval(DROP_OLD_WEEKS) == 1
    assert await weeks(owner) == 0


async def test_a_backup_that_begins_again_finds_its_week(database: FreshDatabase) -> None:
    for _ in range(2):
        async with hold_backup_locks(database.url):
            pass
