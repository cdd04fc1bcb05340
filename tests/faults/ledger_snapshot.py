"""Our own records, read past the proxies with a role that cannot see addresses."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from cli.demo.ledger_reader import LedgerReader, open_ledger_reader
from services.dispatcher.adapters.ledger_results import MAX_RESENDS

# Recipients of running broadcasts without a result yet; a broadcast still being expanded is assumed to go to all
# subscribers. Deliveries that wait for Meta's tier are left out: they must not delay the next broadcast.
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
select count(*) from (select from dispatcher.delivery where due_at <= statement_timestamp() limit $1) as due
"""
_SLOWED = "select count(*) from dispatcher.rate where per_second < ceiling * 0.999"
# The recipients of a follow-up are final only when nobody can receive the followed broadcast any more.
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
    """A broadcast in the subscriptions service; `audience` is final once it is `read_to_end`."""

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
    """All our records of a run; `counters` has the deliveries per broadcast and state."""

    handled: int
    replies_due: int
    broadcasts: tuple[BroadcastSnapshot, ...]
    ledger: tuple[DeliverySnapshot, ...]
    counters: Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class LedgerProbes:
    """Queries that each open a connection of their own, as the database may restart at any time.

    All counts are None while the database is unavailable.
    """

    url: str

    async def count_handled(self) -> int | None:
        """Count inbound messages that were decided upon."""
        return await self._count("select count(*) from subscriptions.inbox where result <> 'moved'")

    async def count_moved(self) -> int | None:
        """Count changes of number that were applied."""
        return await self._count(_MOVED)

    async def count_erasures(self) -> int | None:
        """Count erasures that are not finished."""
        return await self._count(_ERASING)

    async def is_known(self, notice: str) -> bool:
        """Return whether the notice has become a broadcast."""
        return bool(await self._count(_KNOWN, notice))

    async def count_unsent(self) -> int | None:
        """Count deliveries that have yet to be sent, including those not expanded yet."""
        return await self._count(_UNSENT)

    async def count_pending(self) -> int | None:
        """Count deliveries that are waiting or claimed."""
        return await self._count(_PENDING)

    async def count_unread(self) -> int | None:
        """Count broadcasts without a row for every recipient."""
        return await self._count(_UNREAD)

    async def count_unknown(self) -> int | None:
        """Count unknown outcomes that can still be settled."""
        return await self._count(_UNKNOWN, MAX_RESENDS)

    async def count_due(self, most: int) -> int | None:
        """Count deliveries in the ledger that could be sent at once, up to `most`."""
        return await self._count(_DUE, most)

    async def count_slowed(self) -> int | None:
        """Count senders below their full rate because Meta answered that they were too fast."""
        return await self._count(_SLOWED)

    async def count_unconfirmed(self, but: Collection[UUID] = ()) -> int | None:
        """Count accepted deliveries whose last status has not been applied, except those in `but`."""
        return await self._count(_UNCONFIRMED, list(but))

    async def _count(self, statement: str, *arguments: object) -> int | None:
        try:
            async with asyncio.timeout(5), open_ledger_reader(self.url) as books:
                count: int = await books.connection.fetchval(statement, *arguments)
                return count
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return None


async def read_snapshot(books: LedgerReader) -> LedgerSnapshot:
    """Read everything, once all is settled."""
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
