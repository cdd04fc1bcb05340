"""PostgreSQL implementation of ports.LoginThrottle: the counters are shared by all replicas."""

from collections.abc import Sequence
from datetime import datetime

from services.newsroom.domain.login import FAILURE_LIFETIME, FailureCounter, FailureScope, compute_wait
from shared.database.pool import Connection, Database

# In the order of the key, so that simultaneous attempts cannot wait for each other in a circle.
_LOCK = """
select scope, key, failures, failed_at from newsroom.login_failure
where (scope, key) in (select * from unnest($1::text[], $2::text[])) order by scope, key for update
"""
_ADD = """
insert into newsroom.login_failure (scope, key, failures, failed_at)
select scope, key, 0, $3 from unnest($1::text[], $2::text[]) as each (scope, key) order by scope, key
on conflict do nothing
"""
_COUNT = """
update newsroom.login_failure set failures = case when failed_at > $3 then failures else 0 end + 1, failed_at = $4
where (scope, key) in (select * from unnest($1::text[], $2::text[]))
"""
# A success says nothing about others who share the address, so it takes back its own attempt only.
_SETTLE = """
update newsroom.login_failure set failures = case scope when 'address' then failures - 1 else 0 end
where (scope, key) in (select * from unnest($1::text[], $2::text[])) and failures > 0
"""


class PostgresLoginThrottle:
    """Counters of failed logins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, counters: Sequence[FailureCounter], now: datetime) -> float:
        keys = _split(counters)
        async with self._database.transaction() as connection:
            if wait := await _find_wait(connection, keys, now):
                return wait  # what waits adds no rows
            await connection.execute(_ADD, *keys, now)
            wait = await _find_wait(connection, keys, now)
            if not wait:
                await connection.execute(_COUNT, *keys, now - FAILURE_LIFETIME, now)
        return wait

    async def settle(self, counters: Sequence[FailureCounter]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_SETTLE, *_split(counters))


def _split(counters: Sequence[FailureCounter]) -> tuple[list[str], list[str]]:
    return [counter.scope.value for counter in counters], [counter.key for counter in counters]


async def _find_wait(connection: Connection, keys: tuple[list[str], list[str]], now: datetime) -> float:
    rows = await connection.fetch(_LOCK, *keys)
    waits = (compute_wait(FailureScope(row["scope"]), row["failures"], row["failed_at"], now) for row in rows)
    return max(waits, default=0.0)
