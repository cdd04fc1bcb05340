"""Broadcasts to those who got an earlier one: recipients are read from the ledger, page by page."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.dispatcher.adapters import ledger_rows as rows_of
from services.dispatcher.adapters.ledger_claims import REGISTER
from shared.contracts.dispatch import BroadcastFollowUp
from shared.database.pool import Connection

BEGIN = """
insert into dispatcher.follow_up (broadcast, follows, position, last) values ($1, $2, $3, dispatcher.is_over($2))
on conflict do nothing
"""

# One replica works at a follow-up at a time, whatever it follows.
TAKE = """
select f.broadcast, f.follows, f.position, f.last,
    b.expires_at <= clock_timestamp()
        or exists (select from dispatcher.cancellation x where x.broadcast = b.id) as ended
from dispatcher.follow_up f join dispatcher.broadcast b on b.id = f.broadcast
where f.done_at is null and f.look_at <= clock_timestamp()
order by f.look_at limit 1 for update of f, b skip locked
"""

# All ids of a broadcast's deliveries begin with its time, so they are read in the order of the primary key. Who may
# get it now waits for its turn, which comes at once: lanes and limits hold as for any other delivery.
PAGE = """
with found as (
    select d.id, d.subscriber, d.sequence, d.address_kind, d.address_index, d.address_sealed
    from dispatcher.delivery d
    where d.id > $3 and d.id < $4 and d.source = $2 and d.subscriber is not null
        and d.state in ('unknown', 'accepted', 'sent', 'delivered', 'read')
        and d.claimed_at > (select f.since from dispatcher.follow_up f where f.broadcast = $1 and f.follows = $2)
    order by d.id limit $5
), inserted as (
    insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, address_kind, address_index,
        address_sealed, asked_at, expires_at, due_at, waits_for)
    select dispatcher.delivery_id(b.id, f.subscriber), b.id, f.subscriber, f.sequence, b.lane,
        case when v.state = 'claimed' then 'waiting' else v.state end, f.address_kind,
        case when v.state in ('claimed', 'waiting') then f.address_index else '' end,
        case when v.state in ('claimed', 'waiting') then f.address_sealed else '' end, b.published_at, b.expires_at,
        case v.state when 'claimed' then clock_timestamp() else v.due_at end,
        case v.state when 'claimed' then 'rate' else v.waits_for end
    from found f, dispatcher.broadcast b, dispatcher.judge(b, f.subscriber, f.sequence, null) v
    where b.id = $1
    on conflict do nothing
    returning state
), counted as (
    insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
    select $1, state, $6, count(*) from inserted group by state order by state
    on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
), expanded as (
    update dispatcher.broadcast b set expanded = b.expanded + (select count(*) from inserted) where b.id = $1
)
select count(*) as found, (select id from found order by id desc limit 1) as position from found
"""

MOVE_ON = "update dispatcher.follow_up set position = $3 where broadcast = $1 and follows = $2"

# Within ten minutes of its claim a delivery is accepted, unknown, or waits again.
ONCE_MORE = """
update dispatcher.follow_up
set position = $3, last = dispatcher.is_over($2), since = began_at - interval '10 minutes',
    began_at = clock_timestamp(), look_at = clock_timestamp() + interval '1 second'
where broadcast = $1 and follows = $2
"""

# Where the reading ended says who was last: nobody needs that any more.
DONE = """
update dispatcher.follow_up set done_at = clock_timestamp(), position = follows where broadcast = $1 and follows = $2
"""
COMPLETE = """
update dispatcher.broadcast b set audience = b.expanded
where b.id = $1 and not exists (select from dispatcher.follow_up f where f.broadcast = b.id and f.done_at is null)
"""


async def begin(connection: Connection, message: BroadcastFollowUp, content: Mapping[str, Any]) -> None:
    """Store it; what is stored stays as it is."""
    values = rows_of.broadcast_values(message, content, None, 0)
    await connection.execute(REGISTER, *values, *rows_of.timing(message.hours, None))
    for earlier in message.follows:
        await connection.execute(BEGIN, message.broadcast, earlier, _before(earlier))


async def extend(connection: Connection, slot: int, most: int) -> bool:
    """One page of the follow-up that nobody works at and that has waited longest."""
    row = await connection.fetchrow(TAKE)
    if row is None:
        return False
    both = (row["broadcast"], row["follows"])
    page = await connection.fetchrow(PAGE, *both, row["position"], _after(row["follows"]), most, slot)
    assert page is not None  # noqa: S101 - a count has one row
    if page["found"] == most and not row["ended"]:
        await connection.execute(MOVE_ON, *both, page["position"])
    elif row["last"] or row["ended"]:
        await connection.execute(DONE, *both)
        await connection.execute(COMPLETE, row["broadcast"])
    else:
        await connection.execute(ONCE_MORE, *both, _before(row["follows"]))
    return True


def _before(broadcast: UUID) -> UUID:
    """Below all ids of its deliveries."""
    return UUID(int=(broadcast.int >> 80) << 80)


def _after(broadcast: UUID) -> UUID:
    """Above all ids of its deliveries."""
    return UUID(int=((broadcast.int >> 80) + 1) << 80)
