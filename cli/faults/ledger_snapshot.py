"""Our own books, read past the proxies by a role that may see no address."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from cli.demo.ledger_reader import LedgerReader, open_ledger_reader
from services.dispatcher.adapters.ledger import MAX_RESENDS

# Recipients of what is being sent who have not got it yet; those of a broadcast that is still being read are
# taken to be all subscribers. Who waits for Meta's tier does not keep the next one from being published.
_UNSENT = """
select coalesce(sum(case when d.id is not null then d.expanded when b.read_to_end then b.audience
    else s.subscribed end - coalesce(n.settled, 0)), 0) -
    (select count(*) from dispatcher.delivery where waits_for = 'people')
from subscriptions.broadcast b
left join dispatcher.broadcast d on d.id = b.id and b.follows <> '{}'
cross join (select count(*) as subscribed from subscriptions.subscriber where state = 'subscribed') s
left join lateral (
    select sum(deliveries) as settled from dispatcher.broadcast_count
    where broadcast = b.id and state not in ('waiting', 'claimed', 'unknown')) n on true
where b.state <> 'cancelled' and b.expires_at > now()
"""
_PENDING = "select count(*) from dispatcher.delivery where state in ('waiting', 'claimed')"
_UNKNOWN = "select count(*) from dispatcher.delivery where state = 'unknown' and resends < $1"
_UNCONFIRMED = "select count(*) from dispatcher.delivery where state in ('accepted', 'sent') and id <> all($1::uuid[])"
_DUE = """
select count(*) from (select from dispatcher.delivery where due_at <= clock_timestamp() limit $1) as due
"""
_SLOWED = "select count(*) from dispatcher.rate where per_second < ceiling * 0.999"
# Whom a follow-up goes to is known when nobody can get what it follows any more.
_UNREAD = """
select count(*) from subscriptions.broadcast b where b.state <> 'cancelled' and case
    when b.follows = '{}' then not b.read_to_end or b.audience > (
        select count(*) from dispatcher.delivery d where d.source = b.id)
    else not exists (select from dispatcher.broadcast f where f.id = b.id and f.audience is not null) end
"""
_MOVED = "select count(*) from subscriptions.inbox where result = 'moved'"
_ERASING = "select count(*) from dispatcher.erasure"
_KNOWN = "select count(*) from subscriptions.broadcast where notice = $1"
_BROADCASTS = """
select b.id, b.notice, case when b.follows = '{}' then b.audience else coalesce(f.audience, 0) end as audience,
    case when b.follows = '{}' then b.read_to_end else f.audience is not null end as read_to_end,
    extract(epoch from b.expires_at)::float8 as expires_at, b.state = 'cancelled' as cancelled
from subscriptions.broadcast b left join dispatcher.broadcast f on f.id = b.id
"""
_LEDGER = """
select id, source, subscriber is not null as to_subscriber, state::text, resends, error_code,
    extract(epoch from expires_at)::float8 as expires_at
from dispatcher.delivery
"""
_COUNTERS = """
select broadcast, state::text, sum(deliveries)::int as deliveries from dispatcher.broadcast_count
group by broadcast, state having sum(deliveries) <> 0
"""


@dataclass(frozen=True)
class BroadcastSnapshot:
    """A broadcast as the subscriptions service knows it; `audience` is final once it was `read_to_end`."""

    id: str
    notice: str
    audience: int
    read_to_end: bool
    cancelled: bool
    expires_at: float


@dataclass(frozen=True)
class DeliverySnapshot:
    """A delivery in the ledger; a reply has no broadcast."""

    delivery: str
    broadcast: str | None
    state: str
    expires_at: float
    resends: int = 0
    error_code: int | None = None


@dataclass(frozen=True)
class LedgerSnapshot:
    """All that we wrote down. `counters` are the deliveries of a broadcast by state."""

    handled: int
    replies_due: int
    broadcasts: tuple[BroadcastSnapshot, ...]
    ledger: tuple[DeliverySnapshot, ...]
    counters: Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class LedgerProbes:
    """Looks that need no lasting connection, for the time in which the database comes and goes."""

    url: str

    async def count_handled(self) -> int | None:
        """Inbound messages that were decided upon; None, as for all of these, while the database is away."""
        return await self._count("select count(*) from subscriptions.inbox where result <> 'moved'")

    async def count_moved(self) -> int | None:
        """Changes of numbers that were taken over."""
        return await self._count(_MOVED)

    async def count_erasures(self) -> int | None:
        """Erasures that are not finished."""
        return await self._count(_ERASING)

    async def is_known(self, notice: str) -> bool:
        """Whether it has become a broadcast."""
        return bool(await self._count(_KNOWN, notice))

    async def count_unsent(self) -> int | None:
        """Deliveries that are still to be sent."""
        return await self._count(_UNSENT)

    async def count_pending(self) -> int | None:
        """Deliveries that wait or are being sent."""
        return await self._count(_PENDING)

    async def count_unread(self) -> int | None:
        """Broadcasts whose recipients have not all got a row."""
        return await self._count(_UNREAD)

    async def count_unknown(self) -> int | None:
        """Unknown outcomes that can still be settled."""
        return await self._count(_UNKNOWN, MAX_RESENDS)

    async def count_due(self, most: int) -> int | None:
        """Deliveries in the ledger that could be sent at once; counted up to so many."""
        return await self._count(_DUE, most)

    async def count_slowed(self) -> int | None:
        """Senders whose rate is lower than it may be, since Meta said "too fast"."""
        return await self._count(_SLOWED)

    async def count_unconfirmed(self, but: Collection[UUID] = ()) -> int | None:
        """Deliveries that were accepted and of which the last status has not been applied."""
        return await self._count(_UNCONFIRMED, list(but))

    async def _count(self, statement: str, *arguments: object) -> int | None:
        try:
            async with asyncio.timeout(5), open_ledger_reader(self.url) as books:
                count: int = await books.connection.fetchval(statement, *arguments)
                return count
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return None


async def read_snapshot(books: LedgerReader) -> LedgerSnapshot:
    """Everything, when all is quiet."""
    connection = books.connection
    return LedgerSnapshot(
        handled=await books.count_handled() - await connection.fetchval(_MOVED),
        replies_due=await books.count_replies_due(),
        broadcasts=tuple(_build_broadcast(row) for row in await connection.fetch(_BROADCASTS)),
        ledger=tuple(_build_delivery(row) for row in await connection.fetch(_LEDGER)),
        counters={
            (str(row["broadcast"]), row["state"]): row["deliveries"] for row in await connection.fetch(_COUNTERS)
        },
    )


def _build_broadcast(row: asyncpg.Record) -> BroadcastSnapshot:
    values = dict(row)
    return BroadcastSnapshot(**{**values, "id": str(values["id"])})


def _build_delivery(row: asyncpg.Record) -> DeliverySnapshot:
    return DeliverySnapshot(
        delivery=str(row["id"]),
        broadcast=str(row["source"]) if row["to_subscriber"] else None,
        state=row["state"],
        expires_at=row["expires_at"],
        resends=row["resends"],
        error_code=row["error_code"],
    )
