"""Effect of a backup on the ledger: one long transaction that reads every table."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import asyncpg

# A week so old that retention has to drop it at once, whatever its period.
OLD_WEEK = datetime(2020, 1, 6, tzinfo=UTC)
_TABLES = """
select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables where schemaname = 'dispatcher'
"""


@asynccontextmanager
async def hold_backup_locks(url: str) -> AsyncIterator[None]:
    """Hold ACCESS SHARE on every table of the ledger, as pg_dump does, while an old week is due; `url` is the owner's.

    Raises OSError or asyncpg's errors if the database is unavailable; if it fails later, the locks are lost.
    """
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(_make_old_week())
        await connection.execute("begin")
        await connection.execute(f"lock table {await connection.fetchval(_TABLES)} in access share mode")
        yield
    finally:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=5)


def _make_old_week() -> str:
    name = f"dispatcher.delivery_{OLD_WEEK:%Y%m%d}"
    bounds = " to ".join(f"('{_compute_lowest_id(moment)}')" for moment in (OLD_WEEK, OLD_WEEK + timedelta(weeks=1)))
    return f"create table if not exists {name} partition of dispatcher.delivery for values from {bounds}"


def _compute_lowest_id(moment: datetime) -> str:
    """Return the lowest id possible at or after this moment: ids begin with their milliseconds."""
    return f"{int(moment.timestamp() * 1000):012x}".ljust(32, "0")
