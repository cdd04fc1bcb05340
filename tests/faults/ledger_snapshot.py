"""Our own records, read past the proxies with a role that cannot see addresses."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from cli.database import UNAVAILABLE
from cli.demo.ledger_reader import open_ledger_reader

# Inbound messages that were decided upon, and changes of number that were applied.
HANDLED = "select count(*) from subscriptions.inbox where result <> 'moved'"
MOVED = "select count(*) from subscriptions.inbox where result = 'moved'"
# Recipients of running broadcasts without a result yet; a broadcast still being expanded is assumed to go to all
# subscribers. Deliveries that wait for Meta's tier are left out: they must not delay the next broadcast.
UNSENT = """
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
# Deliveries that are waiting or claimed; unknown outcomes with fewer than $1 resends, which can still be settled;
# accepted deliveries whose last status has not been applied, except those in $1.
PENDING = "select count(*) from dispatcher.delivery where state in ('waiting', 'claimed')"
UNKNOWN = "select count(*) from dispatcher.delivery where state = 'unknown' and resends < $1"
UNCONFIRMED = "select count(*) from dispatcher.delivery where state in ('accepted', 'sent') and id <> all($1::uuid[])"
# Deliveries that could be sent at once, up to a number; senders below their full rate, as Meta said "too fast".
DUE = """
select count(*) from (select from dispatcher.delivery where due_at <= statement_timestamp() limit $1) as due
"""
SLOWED = "select count(*) from dispatcher.rate where per_second < ceiling * 0.999"
# Broadcasts without a row for every recipient.
# The recipients of a follow-up are final only when nobody can receive the followed broadcast any more.
UNREAD = """
select count(*) from subscriptions.broadcast b where b.state <> 'cancelled' and case
    when b.follows = '{}' then not b.read_to_end or b.audience > (
        select count(*) from dispatcher.delivery d where d.source = b.id)
    else not exists (select from dispatcher.broadcast f where f.id = b.id and f.audience is not null) end
"""
# Erasures that are not finished.
ERASING = "select count(*) from dispatcher.erasure"
KNOWN = "select count(*) from subscriptions.broadcast where notice = $1"
_BROADCASTS = """
select b.id::text, b.notice, case when b.follows = '{}' then b.audience else coalesce(f.audience, 0) end as audience,
    case when b.follows = '{}' then b.read_to_end else f.audience is not null end as read_to_end,
    extract(epoch from b.expires_at)::float8 as expires_at, b.state = 'cancelled' as cancelled
from subscriptions.broadcast b left join dispatcher.broadcast f on f.id = b.id
"""
_LEDGER = """
select id::text as delivery, case when subscriber is not null then source::text end as broadcast, state::text, resends,
    error_code, extract(epoch from expires_at)::float8 as expires_at
from dispatcher.delivery
"""
_COUNTERS = """
select broadcast::text, state::text, sum(deliveries)::int as deliveries from dispatcher.broadcast_count
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
    """Counts, each on its own connection, as the database may restart at any time."""

    url: str

    async def count(self, statement: str, *arguments: object) -> int | None:
        """Return the result of one of the statements above; None while the database is unavailable."""
        try:
            async with asyncio.timeout(5), open_ledger_reader(self.url) as reader:
                count: int = await reader.connection.fetchval(statement, *arguments)
                return count
        except UNAVAILABLE:
            return None


async def read_snapshot(url: str) -> LedgerSnapshot:
    """Read all records, once everything is settled."""
    async with open_ledger_reader(url) as reader:
        connection = reader.connection
        return LedgerSnapshot(
            handled=await connection.fetchval(HANDLED),
            replies_due=await reader.count_replies_due(),
            broadcasts=tuple(BroadcastSnapshot(**row) for row in await connection.fetch(_BROADCASTS)),
            ledger=tuple(DeliverySnapshot(**row) for row in await connection.fetch(_LEDGER)),
            counters={
                (broadcast, state): deliveries for broadcast, state, deliveries in await connection.fetch(_COUNTERS)
            },
        )
