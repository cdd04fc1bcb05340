"""Notices in PostgreSQL."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import msgspec

from services.subscriptions.adapters.rows import stored_from
from services.subscriptions.domain.broadcast import Accepted, Broadcast, Stored
from shared.contracts.events import Problem
from shared.database.pool import Connection, Database

_LOCK_NOTICE = """
    insert into subscriptions.notice (source, notice) values ($1, $2)
    on conflict (source, notice) do update set source = excluded.source
    returning withdrawn_at
"""
_REVISIONS = """
    select id, source, notice, revision, digest from subscriptions.broadcast
    where source = $1 and notice = $2 order by revision
"""
_INSERT = """
    insert into subscriptions.broadcast (id, source, notice, revision, digest, topic, lane, template,
        published_at, expires_at, opens, closes, zone, follows, municipalities, spacing_seconds)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $16, $15::float8 / nullif((
        select count(*) from subscriptions.subscription where topic = $6 and $15 is not null), 0))
"""
_FOLLOWED = "select id, topic from subscriptions.broadcast where source = $1 and notice = $2 order by revision"
# Also what is expanded is cancelled while it may still wait in the dispatcher.
_CANCEL = """
    with cancelled as (
        update subscriptions.broadcast set state = 'cancelled', reason = $3
        where source = $1 and notice = $2 and revision < $4 and state <> 'cancelled' and expires_at > $5
        returning id),
    dropped as (
        delete from subscriptions.pending_page where broadcast_id in (select id from cancelled))
    select count(*) from cancelled
"""
_CANCELLED = """
    select id, source, notice, revision, digest from subscriptions.broadcast
    where source = $1 and notice = $2 and revision < $4 and state = 'cancelled' and reason = $3
    order by revision
"""
_EVERY_REVISION = 2_000_000


class PostgresNotices:
    """Implements ports.Notices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, source: str, notice: str, revision: int) -> Stored | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "select id, source, notice, revision, digest from subscriptions.broadcast"
                " where source = $1 and notice = $2 and revision = $3",
                source,
                notice,
                revision,
            )
        return stored_from(row) if row else None

    async def accept(self, broadcast: Broadcast) -> Accepted:
        async with self._database.transaction() as connection:
            withdrawn_at = await connection.fetchval(_LOCK_NOTICE, broadcast.source, broadcast.notice)
            revisions = await connection.fetch(_REVISIONS, broadcast.source, broadcast.notice)
            stored = {row["revision"]: stored_from(row) for row in revisions}
            known = stored.get(broadcast.revision)
            followed = await _followed(connection, broadcast)
            problem = _problem(broadcast, stored, withdrawn_at) or _follow_problem(broadcast, followed)
            if problem and not _same(known, broadcast):
                return Accepted(problem=problem)
            if known is None:
                await connection.execute(_INSERT, *_columns(replace(broadcast, follows=tuple(followed))))
            superseded = await _cancel(
                connection,
                broadcast.source,
                broadcast.notice,
                "superseded",
                broadcast.revision,
                broadcast.published_at,
            )
        return Accepted(stored=known or _stored(broadcast), superseded=superseded)

    async def withdraw(self, source: str, notice: str, now: datetime, reason: str) -> tuple[Stored, ...]:
        async with self._database.transaction() as connection:
            await connection.fetchval(_LOCK_NOTICE, source, notice)
            await connection.execute(
                "update subscriptions.notice set withdrawn_at = coalesce(withdrawn_at, $3)"
                " where source = $1 and notice = $2",
                source,
                notice,
                now,
            )
            return await _cancel(connection, source, notice, reason, _EVERY_REVISION, now)


async def _cancel(
    connection: Connection, source: str, notice: str, reason: str, below: int, now: datetime
) -> tuple[Stored, ...]:
    """Cancel, and name also what was cancelled like this before: its event may not have been published."""
    await connection.fetchval(_CANCEL, source, notice, reason, below, now)
    rows = await connection.fetch(_CANCELLED, source, notice, reason, below)
    return tuple(stored_from(row) for row in rows)


async def _followed(connection: Connection, broadcast: Broadcast) -> dict[UUID, str]:
    """The broadcasts of the notice that it follows, with their topics."""
    rows = await connection.fetch(_FOLLOWED, broadcast.source, broadcast.follows_notice)
    return {UUID(int=row["id"].int): row["topic"] for row in rows}


def _follow_problem(broadcast: Broadcast, followed: Mapping[UUID, str]) -> Problem | None:
    if broadcast.follows_notice is None:
        return None
    if not followed:
        return Problem(field="follows", problem="is no notice that was accepted from this source")
    if set(followed.values()) != {broadcast.topic}:
        return Problem(field="topic", problem="must be that of the notice which it follows")
    return None


def _same(known: Stored | None, broadcast: Broadcast) -> bool:
    return known is not None and known.digest == broadcast.digest


def _problem(broadcast: Broadcast, stored: dict[int, Stored], withdrawn_at: datetime | None) -> Problem | None:
    if withdrawn_at is not None:
        return Problem(field="subject", problem="was withdrawn; publish under another one")
    newest = max(stored, default=0)
    if broadcast.revision == 1 and stored:
        return Problem(field="subject", problem=f"was published before, in revision {newest}; send an update")
    if broadcast.revision in stored:
        return Problem(field="revision", problem="was published with other content; count it up")
    if broadcast.revision < newest:
        return Problem(field="revision", problem=f"is older than revision {newest}; count it up")
    return None


def _stored(broadcast: Broadcast) -> Stored:
    return Stored(
        broadcast=broadcast.id,
        source=broadcast.source,
        notice=broadcast.notice,
        revision=broadcast.revision,
        digest=broadcast.digest,
    )


def _columns(broadcast: Broadcast) -> tuple[object, ...]:
    return (
        broadcast.id,
        broadcast.source,
        broadcast.notice,
        broadcast.revision,
        broadcast.digest,
        broadcast.topic,
        broadcast.lane,
        msgspec.json.encode(broadcast.template).decode(),
        broadcast.published_at,
        broadcast.expires_at,
        *((hours.opens, hours.closes, hours.zone) if (hours := broadcast.hours) else (None, None, None)),
        list(broadcast.follows),
        broadcast.spread.total_seconds() if broadcast.spread else None,
        list(broadcast.municipalities),
    )
