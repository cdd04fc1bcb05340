"""Broadcasts that are being expanded, in PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from services.subscriptions.domain.broadcast import MAX_PAGE_RECIPIENTS, Broadcast, BroadcastPage
from services.subscriptions.ports import BroadcastClaim, PreparePages
from shared.contracts.dispatch import PermittedHours, Recipient, Template
from shared.contracts.events import BroadcastCancelled
from shared.contracts.message import Address, AddressKind, Lane
from shared.database.pool import Connection, Database

# Position at which an expansion begins, and to which it is reset at the end, so that it no longer names anybody.
_START_POSITION = UUID(int=0)
_EXPANDING = """
    select id from subscriptions.broadcast where state = 'expanding'
    order by lane = 'urgent' desc, published_at, id limit 20
"""
# The bound is repeated for both tables: the planner does not infer an inequality across a join, and would read one of
# them from its beginning for each page.
_RECIPIENTS = """
    select subscriber.id, sequence, phone_index, phone_sealed, user_index, user_sealed
    from subscriptions.subscription join subscriptions.subscriber on subscriber.id = subscriber_id
    where topic = $1 and subscriber_id > $2 and subscriber.id > $2
      and (paused_until is null or paused_until <= $4)
      and ($5::text[] = '{}' or places = '{}' or $5 && places)
    order by subscriber_id limit $3
"""
_ADVANCE = """
    update subscriptions.broadcast set page = $2, audience = audience + $3,
        position = case when $5 then $6 else coalesce($4, position) end, read_to_end = $5
    where id = $1
"""
# The broadcast is locked before its pages, in the same order as for a withdrawal.
_CONFIRM = """
    with locked as materialized (select id from subscriptions.broadcast where id = $1 for update)
    delete from subscriptions.pending_page where broadcast_id = (select id from locked) and page = any($2)
"""
_FINISH = """
    update subscriptions.broadcast set state = 'expanded'
    where id = $1 and state = 'expanding' and read_to_end
      and not exists (select from subscriptions.pending_page where broadcast_id = $1)
"""
_DUE = """
    select * from subscriptions.broadcast where state = 'scheduled' and published_at <= $1
    order by lane = 'urgent' desc, published_at, id limit 20
"""
# The same lock as for commands about a notice, but for the session: nothing may be published within a transaction.
_LOCK_NOTICE = "select pg_advisory_lock(hashtextextended('notice ' || $2 || ' ' || $1, 0))"
_IS_SCHEDULED = "select exists (select from subscriptions.broadcast where id = $1 and state = 'scheduled')"
# A follow-up goes to the recipients of all present revisions of its notice.
_BEGIN = """
    update subscriptions.broadcast set state = 'expanding',
        follows = array(
            select later.id from subscriptions.broadcast first join subscriptions.broadcast later using (source, notice)
            where first.id = broadcast.follows[1] order by later.revision),
        spacing_seconds = spread_seconds / nullif((
            select count(*) from subscriptions.subscription s
            join subscriptions.subscriber on subscriber.id = subscriber_id
            where spread_seconds is not null and s.topic = broadcast.topic
              and (paused_until is null or paused_until <= published_at)
              and (municipalities = '{}' or places = '{}' or municipalities && places)), 0)
    where id = $1
"""
_CANCELLED = """
    select id as broadcast, source, notice, coalesce(reason, '') as reason
    from subscriptions.cancellation join subscriptions.broadcast on id = broadcast_id order by id limit 20
"""
_CANCELLATION_PUBLISHED = "delete from subscriptions.cancellation where broadcast_id = $1"
_PENDING = """
    select pending_page.page, message_id, body, recipients, last, lane
    from subscriptions.pending_page join subscriptions.broadcast on id = broadcast_id and state = 'expanding'
    where broadcast_id = $1 order by pending_page.page limit $2
"""
_LOCK_UNREAD = """
    select * from subscriptions.broadcast where id = $1 and state = 'expanding' and not read_to_end for update
"""

Row = asyncpg.Record


class PostgresBroadcastRepository:
    """Implementation of ports.BroadcastRepository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_due(self, now: datetime) -> tuple[Broadcast, ...]:
        return tuple(_read_broadcast(row) for row in await self._database.fetch(_DUE, now))

    async def start_expansion(self, broadcast: Broadcast, announce: Callable[[], Awaitable[None]]) -> None:
        async with self._database.session() as connection:
            await connection.execute(_LOCK_NOTICE, broadcast.source, broadcast.notice)
            if await connection.fetchval(_IS_SCHEDULED, broadcast.id):
                await announce()
                await connection.execute(_BEGIN, broadcast.id)

    async def list_cancelled(self) -> tuple[BroadcastCancelled, ...]:
        return tuple(BroadcastCancelled(**row) for row in await self._database.fetch(_CANCELLED))

    async def mark_cancellation_published(self, broadcast: UUID) -> None:
        await self._database.fetchval(_CANCELLATION_PUBLISHED, broadcast)

    @asynccontextmanager
    async def claim(self) -> AsyncIterator[BroadcastClaim | None]:
        async with self._database.session() as connection:
            identifier = await _claim_next(connection)
            yield PostgresBroadcastClaim(connection, identifier) if identifier else None


class PostgresBroadcastClaim:
    """Implementation of ports.BroadcastClaim.

    The session lock avoids double work; the stored pages make the result correct. While publishing is behind, because a
    lane is full, no more pages are prepared: each attempt publishes the stored ones again.
    """

    def __init__(self, connection: Connection, broadcast: UUID) -> None:
        self._connection = connection
        self._broadcast = broadcast
        self._behind = False

    async def fetch_pages(self, limit: int, prepare: PreparePages) -> tuple[BroadcastPage, ...]:
        pending = await self._connection.fetch(_PENDING, self._broadcast, limit + 1)
        self._behind = len(pending) > limit
        return tuple(map(_read_page, pending[:limit])) or await self.prepare_next_pages(limit, prepare)

    async def prepare_next_pages(self, limit: int, prepare: PreparePages) -> tuple[BroadcastPage, ...]:
        if self._behind:
            return ()
        async with self._connection.transaction():
            row = await self._connection.fetchrow(_LOCK_UNREAD, self._broadcast)
            if row is None:
                return ()
            # One recipient more than fits on the pages shows whether there are more. Only the dispatcher's ledger knows
            # the recipients of a follow-up.
            size = limit * MAX_PAGE_RECIPIENTS + 1
            audience = (row["topic"], row["position"], size, row["published_at"], row["municipalities"])
            recipients = [] if row["follows"] else await self._connection.fetch(_RECIPIENTS, *audience)
            pages = prepare(_read_broadcast(row), [_read_recipient(recipient) for recipient in recipients])
            await self._store_pages(pages)
            return pages

    async def _store_pages(self, pages: Sequence[BroadcastPage]) -> None:
        final = pages[-1]
        await self._connection.copy_records_to_table(
            "pending_page",
            schema_name="subscriptions",
            records=[
                (self._broadcast, page.page, page.message_id, page.body, page.recipients, page.last) for page in pages
            ],
        )
        recipients = sum(page.recipients for page in pages)
        await self._connection.execute(
            _ADVANCE, self._broadcast, final.page + 1, recipients, final.position, final.last, _START_POSITION
        )

    async def mark_published(self, pages: Sequence[int]) -> None:
        async with self._connection.transaction():
            await self._connection.execute(_CONFIRM, self._broadcast, pages)
            await self._connection.execute(_FINISH, self._broadcast)


async def _claim_next(connection: Connection) -> UUID | None:
    broadcasts: list[UUID] = [row["id"] for row in await connection.fetch(_EXPANDING)]
    for broadcast in broadcasts:
        # The second half of the id differs between broadcasts of the same time.
        key = int.from_bytes(broadcast.bytes[8:], "big", signed=True)
        if await connection.fetchval("select pg_try_advisory_lock($1)", key):
            return broadcast
    return None


def _read_recipient(row: Row) -> Recipient:
    """Return the recipient with the phone number if it is known, else with the user id."""
    kind = AddressKind.PHONE if row["phone_sealed"] else AddressKind.USER
    address = Address(kind=kind, index=row[f"{kind}_index"], sealed=row[f"{kind}_sealed"])
    return Recipient(subscriber=row["id"], sequence=row["sequence"], address=address)


def _read_broadcast(row: Row) -> Broadcast:
    hours = PermittedHours(opens=row["opens"], closes=row["closes"], zone=row["zone"]) if row["zone"] else None
    return Broadcast(
        id=row["id"],
        source=row["source"],
        notice=row["notice"],
        revision=row["revision"],
        digest=row["digest"],
        topic=row["topic"],
        municipalities=tuple(row["municipalities"]),
        lane=Lane(row["lane"]),
        template=msgspec.json.decode(row["template"], type=Template),
        published_at=row["published_at"],
        expires_at=row["expires_at"],
        scheduled=row["state"] == "scheduled",
        hours=hours,
        spacing_seconds=row["spacing_seconds"],
        follows=tuple(row["follows"]),
        page=row["page"],
        audience=row["audience"],
    )


def _read_page(row: Row) -> BroadcastPage:
    """Return a stored page; its position is not stored with it, but with the broadcast."""
    return BroadcastPage(**{**row, "lane": Lane(row["lane"])})
