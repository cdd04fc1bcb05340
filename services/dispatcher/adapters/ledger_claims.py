"""SQL of the claims: what may be sent is decided in the statement that makes it ours.

Each statement is committed before the first request. Rows that exist are skipped, so a batch or a reply may be
delivered again and again; suppressed, cancelled and expired recipients get their row with that state at once.
"""

REGISTER = """
insert into dispatcher.broadcast as b
    (id, notice, revision, topic, lane, content, published_at, expires_at, audience, expanded)
values ($1, $2, $3, $4, $5::text::dispatcher.lane, $6::text::jsonb, $7, $8, $9, $10)
on conflict (id) do update set
    audience = coalesce(excluded.audience, b.audience), expanded = greatest(b.expanded, excluded.expanded)
"""

CLAIM_BATCH = """
with candidate as (
    select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::bytea[], $6::bytea[])
        as c (id, subscriber, sequence, kind, index, sealed)
), judged as (
    select c.*, b.expires_at, b.published_at, b.topic, b.lane, case
        when exists (select from dispatcher.cancellation x where x.broadcast = b.id) then 'cancelled'
        when b.expires_at <= clock_timestamp() then 'expired'
        when exists (
            select from dispatcher.suppression s
            where s.subscriber = c.subscriber and s.topic in ('', b.topic) and s.sequence >= c.sequence
        ) then 'suppressed'
        else 'claimed' end::dispatcher.delivery_state as state
    from candidate c, dispatcher.broadcast b where b.id = $7
), inserted as (
    insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, address_kind, address_index,
        address_sealed, asked_at, expires_at)
    select id, $7, subscriber, sequence, lane, state, kind, index, sealed, published_at, expires_at from judged
    on conflict do nothing
    returning id, state
), counted as (
    insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
    select $7, state, $8, count(*) from inserted group by state
    on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
)
select id from inserted where state = 'claimed'
"""

SUPPRESS = """
insert into dispatcher.suppression as s (subscriber, topic, sequence)
select subscriber, topic, max(sequence)
from unnest($1::uuid[], $2::text[], $3::int[]) as w (subscriber, topic, sequence)
group by subscriber, topic order by subscriber, topic
on conflict (subscriber, topic) do update set
    sequence = greatest(s.sequence, excluded.sequence), suppressed_at = excluded.suppressed_at
where s.sequence < excluded.sequence
"""

CLAIM_REPLIES = """
with candidate as (
    select * from unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::timestamptz[],
        $7::timestamptz[]) as c (id, kind, index, sealed, content, asked_at, expires_at)
), inserted as (
    insert into dispatcher.delivery (id, source, lane, state, address_kind, address_index, address_sealed, content,
        asked_at, expires_at)
    select id, id, 'reply', case when expires_at <= clock_timestamp() then 'expired' else 'claimed' end
            ::dispatcher.delivery_state,
        kind, index, sealed, content::jsonb, asked_at, expires_at
    from candidate
    on conflict do nothing
    returning id, state
)
select id from inserted where state = 'claimed'
"""

DUE_LANES = """
select lane::text from unnest(enum_range(null::dispatcher.lane)) as l (lane)
where exists (
    select from dispatcher.delivery d where d.state = 'waiting' and d.lane = l.lane and d.due_at <= clock_timestamp())
"""

CLAIM_DUE = """
with due as (
    select d.id from dispatcher.delivery d
    where d.state = 'waiting' and d.lane = $1::text::dispatcher.lane and d.due_at <= clock_timestamp()
    order by d.due_at limit $2 for update skip locked
), judged as (
    select d.id, d.source, b.content as broadcast_content, b.id as broadcast, case
        when exists (select from dispatcher.cancellation x where x.broadcast = d.source) then 'cancelled'
        when d.expires_at <= clock_timestamp() then 'expired'
        when exists (
            select from dispatcher.suppression s
            where s.subscriber = d.subscriber and s.topic in ('', b.topic) and s.sequence >= d.sequence
        ) then 'suppressed'
        else 'claimed' end::dispatcher.delivery_state as state
    from due join dispatcher.delivery d using (id) left join dispatcher.broadcast b on b.id = d.source
), changed as (
    update dispatcher.delivery d
    set state = j.state, due_at = null, unknown_at = null, claimed_at = clock_timestamp()
    from judged j where d.id = j.id
    returning d.id, d.lane, d.state, d.address_kind, d.address_index, d.address_sealed, d.attempt, d.asked_at,
        d.expires_at, coalesce(d.content, j.broadcast_content) as content, j.broadcast
), counted as (
    insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
    select broadcast, state, $3, sum(deliveries) from (
        select broadcast, 'waiting'::dispatcher.delivery_state as state, -1 as deliveries from changed
        union all select broadcast, state, 1 from changed
    ) as moved where broadcast is not null group by broadcast, state order by broadcast, state
    on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
)
select id, lane::text, address_kind, address_index, address_sealed, attempt, asked_at, expires_at, content::text
from changed where state = 'claimed'
"""
