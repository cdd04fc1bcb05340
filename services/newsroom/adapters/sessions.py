"""Sessions, known devices, and counters of failed logins in PostgreSQL, shared by all replicas."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.newsroom.adapters.accounts import ACCOUNT_COLUMNS, END_SESSIONS, build_account
from services.newsroom.adapters.audit import record_act
from services.newsroom.domain.audit import Act
from services.newsroom.domain.login import (
    FAILURE_LIFETIME,
    Credentials,
    FailureScope,
    OpenSession,
    SessionLimits,
    SessionStage,
    Visitor,
    compute_wait,
)
from shared.database.pool import Connection, Database

# Condition of an open session: $1 is the limit of idle time, $2 of total time.
_IS_OPEN = """
s.revoked_at is null and a.disabled_at is null
    and s.seen_at > now() - $1::interval and s.created_at > now() - $2::interval
"""
# A single statement per request; it records the visit at most once a minute.
_FIND = f"""
with found as (
    select s.token_hash, s.csrf, s.stage, s.seen_at, {ACCOUNT_COLUMNS}
    from newsroom.session s join newsroom.account a on a.id = s.account
    where s.token_hash = $3 and {_IS_OPEN}),
visit as (
    update newsroom.session s set seen_at = now()
    from found where s.token_hash = found.token_hash and found.seen_at < now() - interval '1 minute')
select * from found
"""  # noqa: S608 - constant parts
_FILTER = f"""
select s.token_hash from newsroom.session s join newsroom.account a on a.id = s.account
where s.token_hash = any($3::bytea[]) and {_IS_OPEN}
"""  # noqa: S608 - constant parts
_LIST = f"""
select s.token_hash, s.created_at, s.seen_at from newsroom.session s join newsroom.account a on a.id = s.account
where s.account = $3 and {_IS_OPEN} order by s.created_at desc
"""  # noqa: S608 - constant parts
# A concurrent reset or block of the account waits, and then ends this session, too.
_PROVE = """
select id from newsroom.account
where id = $1 and disabled_at is null and password_hash is not distinct from $2
    and issuer is not distinct from $3 and subject is not distinct from $4
for share
"""
_OPEN = "insert into newsroom.session (token_hash, account, csrf, stage) values ($1, $2, $3, $4)"
_NOTE_DEVICE = """
insert into newsroom.device (token_hash, account) values ($1, $2)
on conflict (token_hash) do update set used_at = now() where device.account = excluded.account
"""
_IS_DEVICE = """
select exists (select from newsroom.device d join newsroom.account a on a.id = d.account
    where d.token_hash = $1 and a.login = $2)
"""
_END = "update newsroom.session set revoked_at = $2 where token_hash = $1 and revoked_at is null"

# Sorted by key, so that simultaneous attempts cannot deadlock; an update locks rows in whichever order it finds them.
_LOCK_FAILURES = """
select scope, key, failures, failed_at from newsroom.login_failure
where (scope, key) in (select * from unnest($1::text[], $2::text[])) order by scope, key for update
"""
_ADD_FAILURES = """
insert into newsroom.login_failure (scope, key, failures, failed_at)
select scope, key, 0, $3 from unnest($1::text[], $2::text[]) as each (scope, key) order by scope, key
on conflict do nothing
"""
_COUNT_FAILURES = """
update newsroom.login_failure set failures = case when failed_at > $3 then failures else 0 end + 1, failed_at = $4
where (scope, key) in (select * from unnest($1::text[], $2::text[]))
"""
# Others may share the address, so a success takes back only its own attempt there, and the time of that ($3): else it
# would delay them. $4 is the time before, null if no address is counted.
_SETTLE_FAILURES = """
update newsroom.login_failure set failures = case scope when 'address' then failures - 1 else 0 end,
    failed_at = case failed_at when $3::timestamptz then coalesce($4::timestamptz, failed_at) else failed_at end
where (scope, key) in (select * from unnest($1::text[], $2::text[])) and failures > 0
"""


class PostgresSessionRepository:
    """Sessions, known devices and counters of failed logins."""

    def __init__(self, database: Database, limits: SessionLimits) -> None:
        self._database = database
        self._limits = (limits.idle, limits.total)

    async def open_session(
        self,
        token_hash: bytes,
        csrf: str,
        stage: SessionStage,
        credentials: Credentials,
        device: bytes | None,
        act: Act,
    ) -> bool:
        """Store the session and the device.

        Return False if the account was disabled or given another login since the credentials were read.
        """
        account, subject = credentials.account.id, credentials.subject
        proof = (credentials.password_hash, subject.issuer if subject else None, subject.subject if subject else None)
        async with self._database.transaction() as connection:
            if await connection.fetchval(_PROVE, account, *proof) is None:
                return False
            await connection.execute(_OPEN, token_hash, account, csrf, stage)
            if device is not None:
                await connection.execute(_NOTE_DEVICE, device, account)
            await record_act(connection, act)
        return True

    async def find_visitor(self, token_hash: bytes) -> Visitor | None:
        """Return the owner of an open session, and record the visit."""
        rows = await self._database.fetch(_FIND, *self._limits, token_hash)
        if not rows:
            return None
        (row,) = rows
        stage = SessionStage(row["stage"])
        account = replace(build_account(row), session=token_hash)
        return Visitor(account=account, session=token_hash, csrf=row["csrf"], stage=stage)

    async def list_sessions(self, account: UUID) -> Sequence[OpenSession]:
        return [OpenSession(**row) for row in await self._database.fetch(_LIST, *self._limits, account)]

    async def find_ended(self, token_hashes: Collection[bytes]) -> Mapping[bytes, bool]:
        """Return for each session whether it has ended; this does not count as a visit."""
        rows = await self._database.fetch(_FILTER, *self._limits, list(token_hashes))
        return dict.fromkeys(token_hashes, True) | {row["token_hash"]: False for row in rows}

    async def end_session(self, token_hash: bytes, now: datetime, act: Act) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(_END, token_hash, now)
            await record_act(connection, act)

    async def end_sessions(self, account: UUID, now: datetime, act: Act, *, keep: bytes | None = None) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(END_SESSIONS, account, now, keep)
            await record_act(connection, act)

    async def is_device_of(self, token_hash: bytes, login: str) -> bool:
        return await self._database.fetchval(_IS_DEVICE, token_hash, login) is True

    async def reserve_attempt(
        self, counters: Mapping[FailureScope, str], now: datetime
    ) -> tuple[float, datetime | None]:
        """Count an attempt as failed and return 0, or return the seconds that it has to wait, without counting it.

        Attempts are counted before the password is checked, to include simultaneous ones. Also return when the last
        attempt from its address failed; None if no address is counted.
        """
        keys = ([*counters], [*counters.values()])
        async with self._database.transaction() as connection:
            wait, failed_at = await _find_wait(connection, keys, now)
            if wait:
                return wait, failed_at  # a delayed attempt adds no rows
            await connection.execute(_ADD_FAILURES, *keys, now)
            wait, failed_at = await _find_wait(connection, keys, now)
            if not wait:
                await connection.execute(_COUNT_FAILURES, *keys, now - FAILURE_LIFETIME, now)
        return wait, failed_at

    async def settle_attempt(
        self, counters: Mapping[FailureScope, str], now: datetime | None = None, failed_at: datetime | None = None
    ) -> None:
        """Take back the count of an attempt that succeeded; `failed_at` was returned when it was counted `now`."""
        keys = ([*counters], [*counters.values()])
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK_FAILURES, *keys)
            await connection.execute(_SETTLE_FAILURES, *keys, now, failed_at)


async def _find_wait(
    connection: Connection, keys: tuple[Sequence[str], Sequence[str]], now: datetime
) -> tuple[float, datetime | None]:
    """Return the seconds to wait, and when an attempt from the address failed; None without such a counter."""
    rows = await connection.fetch(_LOCK_FAILURES, *keys)
    waits = (compute_wait(FailureScope(row["scope"]), row["failures"], row["failed_at"], now) for row in rows)
    failed_at = next((row["failed_at"] for row in rows if row["scope"] == FailureScope.ADDRESS), None)
    return max(waits, default=0.0), failed_at
