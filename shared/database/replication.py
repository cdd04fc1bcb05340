"""Check that commits survive the loss of the primary."""

import asyncpg

# A standby has the commit on its disk; `remote_write` leaves it in the standby's memory.
DURABLE = ("on", "remote_apply")
_WEAK_ROLES = """
select coalesce(rolname, 'every role') || ': ' || setting
from pg_db_role_setting left join pg_roles r on r.oid = setrole, unnest(setconfig) setting
where setdatabase in (0, (select oid from pg_database where datname = current_database()))
    and setting like 'synchronous_commit=%' and substr(setting, 20) <> all($1::text[])
order by 1
"""
# Without `pg_read_all_stats` a role sees only that a standby exists.
_STREAMING = """
select count(*) from pg_stat_replication
where state is null or state = 'streaming' and sync_state in ('sync', 'quorum')
"""


class AsynchronousCommitError(Exception):
    """A standby that becomes the primary could lose claims and Stops: messages would go out twice, or after a Stop."""


async def require_synchronous_commits(connection: asyncpg.Connection) -> None:
    """Raise AsynchronousCommitError unless every role's commits wait until a standby has them on disk."""
    if not await connection.fetchval("show synchronous_standby_names"):
        raise AsynchronousCommitError("commits wait for no standby: synchronous_standby_names is empty")
    mode = await connection.fetchval("show synchronous_commit")
    if mode not in DURABLE:
        raise AsynchronousCommitError(f"synchronous_commit is {mode}")
    weak_roles = [row[0] for row in await connection.fetch(_WEAK_ROLES, DURABLE)]
    if weak_roles:
        raise AsynchronousCommitError(f"commits do not wait for a standby for {', '.join(weak_roles)}")


async def count_synchronous_standbys(connection: asyncpg.Connection) -> int:
    """Return how many standbys commits may wait for; all connected ones if this role cannot see their state."""
    count: int = await connection.fetchval(_STREAMING)
    return count
