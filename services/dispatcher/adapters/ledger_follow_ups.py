"""SQL of broadcasts to the recipients of an earlier one, which are read from the ledger page by page."""

BEGIN = """
insert into dispatcher.follow_up (broadcast, follows, position, last)
select $1, f, dispatcher.first_id(f), dispatcher.is_over(f) from unnest($2::uuid[]) f on conflict do nothing
"""

# Only one replica works on a follow-up at a time, even if it follows several broadcasts.
CLAIM_NEXT = """
select f.broadcast, f.follows, f.position, f.last,
    b.expires_at <= clock_timestamp()
        or exists (select from dispatcher.cancellation x where x.broadcast = b.id) as ended
from dispatcher.follow_up f join dispatcher.broadcast b on b.id = f.broadcast
where f.done_at is null and f.look_at <= clock_timestamp()
order by f.look_at limit 1 for update of f, b skip locked
"""

# All ids of a broadcast's deliveries begin with its time, so they are read in the order of the primary key. Eligible
# recipients are due at once but wait for their turn: lanes and limits apply as for any other delivery.
READ_PAGE = """
with found as (
    select d.id, d.subscriber, d.sequence, d.address_kind, d.address_index, d.address_sealed
    from dispatcher.delivery d
    where d.id > $3 and d.id <= dispatcher.last_id($2) and d.source = $2 and d.subscriber is not null
        and d.state in ('unknown', 'accepted', 'sent', 'delivered', 'read')
        and d.claimed_at > (select f.since from dispatcher.follow_up f where f.broadcast = $1 and f.follows = $2)
    order by d.id limit $4
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
    returning source, state
), expanded as (
    update dispatcher.broadcast b set expanded = b.expanded + (
        select dispatcher.count_changes($5, array_agg(source), null, array_agg(state)) from inserted)
    where b.id = $1
)
select count(*) as found, (select id from found order by id desc limit 1) as position from found
"""

SAVE_POSITION = "update dispatcher.follow_up set position = $3 where broadcast = $1 and follows = $2"

# Within ten minutes of its claim a delivery is accepted, unknown, or waiting again.
START_NEXT_ROUND = """
update dispatcher.follow_up
set position = dispatcher.first_id($2), last = dispatcher.is_over($2), since = began_at - interval '10 minutes',
    began_at = clock_timestamp(), look_at = clock_timestamp() + interval '1 second'
where broadcast = $1 and follows = $2
"""

# `position` identifies the last recipient; it is not needed any more, so it is overwritten.
FINISH = """
with done as (
    update dispatcher.follow_up set done_at = clock_timestamp(), position = follows
    where broadcast = $1 and follows = $2
)
update dispatcher.broadcast b set audience = b.expanded
where b.id = $1 and not exists (
    select from dispatcher.follow_up f where f.broadcast = $1 and f.follows <> $2 and f.done_at is null)
"""
