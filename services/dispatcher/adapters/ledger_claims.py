"""SQL of the claims: what may be sent is decided in the statement that makes it ours.

Each statement is committed before the first request. Rows that exist are skipped, so a batch or a reply may be
delivered again and again; who may not get it, or not yet, has that on record at once.
"""

REGISTER = """
insert into dispatcher.broadcast as b
    (id, notice, revision, topic, lane, template, content, published_at, expires_at, audience, expanded,
     opens, closes, zone, spacing)
values ($1, $2, $3, $4, $5::text::dispatcher.lane, $6, $7::text::jsonb, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict (id) do update set
    audience = coalesce(excluded.audience, b.audience), expanded = greatest(b.expanded, excluded.expanded)
"""

# Claims that count people or messages are made one after the other; the allowance is read in a statement of its
# own, after the lock, or it would not see what the one before has committed.
LOCK_NUMBER = "select people_a_day, messages_a_month from dispatcher.rate where number = $1 for update"
ALLOWANCE = "select people, messages from dispatcher.allowance($1)"

# From `judged` (with the candidates' columns) to `limited`: no more than the allowance is claimed.
_LIMITED = """
ranked as (
    select j.*,
        j.state = 'claimed' and not exists (
            select from dispatcher.reached r
            where r.address_index = j.address_index and r.minute > clock_timestamp() - interval '24 hours 1 minute'
        ) as fresh
    from judged j
), numbered as (
    select *, sum(fresh::int) over (order by id) as people,
        sum((state = 'claimed')::int) over (order by id) as messages
    from ranked
), measured as (
    select *, case
        when state <> 'claimed' then null
        when fresh and people > {people} then 'people'
        when messages > {messages} then 'budget' end as exhausted
    from numbered
), limited as (
    select *,
        case when exhausted is null then state else 'waiting' end as final_state,
        case
            when exhausted is not null then clock_timestamp() + interval '1 minute'
            when state = 'waiting' then due_at end as final_due_at,
        coalesce(exhausted, waits_for) as final_waits_for
    from measured
)
"""

CLAIM_BATCH = f"""
with candidate as (
    select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::bytea[], $6::bytea[], $7::int[])
        as c (id, subscriber, sequence, address_kind, address_index, address_sealed, ordinal)
), judged as (
    select c.*, b.expires_at, b.published_at, b.lane, v.state, v.due_at, v.waits_for
    from candidate c, dispatcher.broadcast b, dispatcher.judge(b, c.subscriber, c.sequence, c.ordinal) v
    where b.id = $8
), {_LIMITED.format(people="$10::int", messages="$11::int")}, inserted as (
    insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, address_kind, address_index,
        address_sealed, asked_at, expires_at, due_at, waits_for)
    select id, $8, subscriber, sequence, lane, final_state, address_kind,
        -- Who never gets it needs no address; an erasure may be over when a late batch comes.
        case when final_state in ('claimed', 'waiting') then address_index else '' end,
        case when final_state in ('claimed', 'waiting') then address_sealed else '' end,
        published_at, expires_at, final_due_at, final_waits_for
    from limited
    on conflict do nothing
    returning id, state
), counted as (
    insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
    select $8, state, $9, count(*) from inserted group by state order by state
    on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
)
select id from inserted where state = 'claimed'
"""

CLAIM_DUE = f"""
with candidate as (
    select d.* from dispatcher.delivery d
    where d.state = 'waiting' and d.lane = $1::text::dispatcher.lane and d.due_at <= clock_timestamp()
        and d.subscriber is not null
    order by d.due_at limit $2 for update skip locked
), judged as (
    select c.id, c.address_index, b.id as broadcast, b.content, v.state, v.due_at, v.waits_for
    from candidate c join dispatcher.broadcast b on b.id = c.source,
        dispatcher.judge(b, c.subscriber, c.sequence, null) v
), {_LIMITED.format(people="$4::int", messages="$5::int")}, changed as (
    update dispatcher.delivery d
    set state = l.final_state, due_at = l.final_due_at, waits_for = l.final_waits_for, unknown_at = null,
        claimed_at = clock_timestamp()
    from limited l where d.id = l.id
    returning d.id, d.lane, d.state, d.address_kind, d.address_index, d.address_sealed, d.attempt, d.asked_at,
        d.expires_at, l.content, l.broadcast
), counted as (
    insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
    select broadcast, state, $3, sum(deliveries) from (
        select broadcast, 'waiting'::dispatcher.delivery_state as state, -1 as deliveries from changed
        union all select broadcast, state, 1 from changed
    ) as moved group by broadcast, state having sum(deliveries) <> 0 order by broadcast, state
    on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
)
select id, lane::text, address_kind, address_index, address_sealed, attempt, asked_at, expires_at, content::text
from changed where state = 'claimed'
"""

# A person counts once in 24 hours, at the latest minute: the earlier minute has one less.
REACHED = """
with person as (
    select distinct unnest($1::bytea[]) as address_index
), moved as (
    select r.minute, -count(*) as people from dispatcher.reached r join person using (address_index) group by r.minute
    union all select date_trunc('minute', clock_timestamp()), count(*) from person
), noted as (
    insert into dispatcher.reached (address_index, minute)
    select address_index, date_trunc('minute', clock_timestamp()) from person
    on conflict (address_index) do update set minute = excluded.minute
)
insert into dispatcher.reached_minute as m (minute, people)
select minute, sum(people) from moved group by minute
on conflict (minute) do update set people = m.people + excluded.people
"""

SENT_THIS_MONTH = """
insert into dispatcher.sent_month as s (month, messages) values (dispatcher.this_month(), $1)
on conflict (month) do update set messages = s.messages + excluded.messages
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

CLAIM_DUE_REPLIES = """
with due as (
    select id from dispatcher.delivery
    where state = 'waiting' and lane = 'reply' and due_at <= clock_timestamp() and subscriber is null
    order by due_at limit $1 for update skip locked
), changed as (
    update dispatcher.delivery d
    set state = case when d.expires_at <= clock_timestamp() then 'expired' else 'claimed' end
            ::dispatcher.delivery_state,
        due_at = null, waits_for = null, unknown_at = null, claimed_at = clock_timestamp()
    from due where d.id = due.id
    returning d.*
)
select id, lane::text, address_kind, address_index, address_sealed, attempt, asked_at, expires_at, content::text
from changed where state = 'claimed'
"""

DUE_LANES = """
select lane::text from unnest(enum_range(null::dispatcher.lane)) as l (lane)
where exists (
    select from dispatcher.delivery d where d.state = 'waiting' and d.lane = l.lane and d.due_at <= clock_timestamp())
"""
