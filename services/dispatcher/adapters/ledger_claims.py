"""SQL of claims: the statement that claims a delivery also decides whether it may be sent.

Each statement is committed before the first request. Existing rows are skipped, so a batch or a reply may be
redelivered any number of times; recipients who may not get it, or not yet, are recorded as such at once.
"""

REGISTER = """
insert into dispatcher.broadcast as b
    (id, notice, revision, topic, lane, template, content, published_at, expires_at, audience, expanded,
     opens, closes, zone, spacing)
values ($1, $2, $3, $4, $5::text::dispatcher.lane, $6, $7::text::jsonb, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict (id) do update set
    audience = coalesce(excluded.audience, b.audience), expanded = greatest(b.expanded, excluded.expanded)
"""

# Outcome of the candidates in `judged`: if there is a limit, claims are serialized by `limit_claims`.
_LIMITED = """
exhausted as materialized (
    select e.* from (
        select array_agg(id order by id) as ids, array_agg(subscriber order by id) as subscribers,
            array_agg(claim = 0 order by id) as firsts
        from judged where verdict = 'claimed'
    ) as wanted, dispatcher.limit_claims({number}, ids, subscribers, firsts) e where {number}::text is not null
), limited as (
    select j.*, case when e.id is null then j.verdict else 'waiting' end as state,
        case when e.id is null then j.until end as due_at, coalesce(e.waits_for, j.cause) as waits_for
    from judged j left join exhausted e using (id)
)
"""

CLAIM_BATCH = f"""
with candidate as (
    select c.*, 0 as claim
    from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::bytea[], $6::bytea[], $7::int[])
        as c (id, subscriber, sequence, address_kind, address_index, address_sealed, ordinal)
    where not exists (select from dispatcher.delivery d where d.id = c.id)
), judged as (
    select c.*, b.expires_at, b.published_at, b.lane, v.*
    from candidate c, dispatcher.broadcast b,
        dispatcher.judge(b, c.subscriber, c.sequence, c.ordinal) v (verdict, until, cause)
    where b.id = $8
), {_LIMITED.format(number="$11")}, inserted as (
    insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, claim, address_kind, address_index,
        address_sealed, asked_at, expires_at, answer_by, due_at, waits_for)
    select id, $8, subscriber, sequence, lane, state, (state = 'claimed')::int, address_kind,
        -- Who never gets it needs no address; an erasure may be over when a late batch comes.
        case when state in ('claimed', 'waiting') then address_index else '' end,
        case when state in ('claimed', 'waiting') then address_sealed else '' end,
        published_at, expires_at, case when state = 'claimed' then clock_timestamp() + make_interval(secs => $10) end,
        due_at, waits_for
    from limited
    on conflict do nothing
    returning id, source, state
)
select array_agg(id) filter (where state = 'claimed') as mine,
    dispatcher.count_changes($9, array_agg(source), null, array_agg(state)) from inserted
"""

CLAIM_DUE = f"""
with candidate as (
    select d.* from dispatcher.delivery d
    where d.lane = $1::text::dispatcher.lane and d.due_at <= clock_timestamp() and d.subscriber is not null
    order by d.due_at limit $2 for update skip locked
), judged as (
    select c.id, c.claim, c.subscriber, b.id as broadcast, b.content, v.*
    from candidate c join dispatcher.broadcast b on b.id = c.source,
        dispatcher.judge(b, c.subscriber, c.sequence, null) v (verdict, until, cause)
), {_LIMITED.format(number="$5")}, changed as (
    update dispatcher.delivery d
    set state = l.state, due_at = l.due_at, waits_for = l.waits_for, unknown_at = null,
        claim = d.claim + (l.state = 'claimed')::int, claimed_at = clock_timestamp(),
        answer_by = case when l.state = 'claimed' then clock_timestamp() + make_interval(secs => $4) end
    from limited l where d.id = l.id
    returning d.id, d.lane, d.state, d.address_kind, d.address_index, d.address_sealed, d.attempt, d.claim, d.asked_at,
        d.expires_at, l.content, l.broadcast
), counted as (
    insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
    select broadcast, m.state, $3, sum(deliveries) from changed,
        lateral (values ('waiting'::dispatcher.delivery_state, -1), (changed.state, 1)) as m (state, deliveries)
    group by 1, 2 having sum(deliveries) <> 0 order by 1, 2
    on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
)
select id, lane::text, address_kind, address_index, address_sealed, attempt, claim, asked_at, expires_at, content::text
from changed where state = 'claimed'
"""
# Only among the newest rows: all of them may have lost their addresses to an erasure.
NEWEST_ADDRESS = """
select address_kind, address_index, address_sealed
from (select * from dispatcher.delivery order by id desc limit 100) as newest where address_index <> '' limit 1
"""

_SUPPRESS = """
insert into dispatcher.suppression as s (subscriber, topic, sequence)
select subscriber, topic, max(sequence)
from unnest({subscribers}::uuid[], {topics}::text[], {sequences}::int[]) as w (subscriber, topic, sequence)
group by subscriber, topic order by subscriber, topic
on conflict (subscriber, topic) do update set
    sequence = greatest(s.sequence, excluded.sequence), suppressed_at = excluded.suppressed_at
where s.sequence < excluded.sequence
"""
SUPPRESS = _SUPPRESS.format(subscribers="$1", topics="$2", sequences="$3")

# Suppresses the withdrawals of replies in the same statement as the claims: both are committed or neither.
CLAIM_REPLIES = f"""
with suppressed as ({_SUPPRESS.format(subscribers="$9", topics="$10", sequences="$11")}
), candidate as (
    select * from unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::timestamptz[],
        $7::timestamptz[]) as c (id, kind, index, sealed, content, asked_at, expires_at)
), inserted as (
    insert into dispatcher.delivery (id, source, lane, state, claim, address_kind, address_index, address_sealed,
        content, asked_at, expires_at, answer_by)
    select id, id, 'reply', case when expires_at <= clock_timestamp() then 'expired' else 'claimed' end
            ::dispatcher.delivery_state,
        1, kind, index, sealed, content::jsonb, asked_at, expires_at,
        case when expires_at > clock_timestamp() then clock_timestamp() + make_interval(secs => $8) end
    from candidate
    on conflict do nothing
    returning id, state
)
select id from inserted where state = 'claimed'
"""

CLAIM_DUE_REPLIES = """
with due as (
    select id, expires_at <= clock_timestamp() as is_late from dispatcher.delivery
    where lane = 'reply' and due_at <= clock_timestamp() and subscriber is null
    order by due_at limit $1 for update skip locked
), changed as (
    update dispatcher.delivery d
    set state = case when is_late then 'expired' else 'claimed' end::dispatcher.delivery_state,
        claim = d.claim + 1, due_at = null, waits_for = null, unknown_at = null, claimed_at = clock_timestamp(),
        answer_by = case when not is_late then clock_timestamp() + make_interval(secs => $2) end
    from due where d.id = due.id
    returning d.*
)
select id, lane::text, address_kind, address_index, address_sealed, attempt, claim, asked_at, expires_at, content::text
from changed where state = 'claimed'
"""

# Checks for all kinds of periodic work in one query, so that none runs without need.
FIND_WORK = """
select array(
        select l.lane::text from unnest(enum_range(null::dispatcher.lane)) as l (lane)
        where exists (select from dispatcher.delivery d where d.lane = l.lane and d.due_at <= clock_timestamp())
    ) as due_lanes,
    exists (select from dispatcher.delivery d where d.answer_by <= clock_timestamp())
        or exists (select from dispatcher.delivery d where d.unknown_at is not null) as unknown,
    exists (
        select from dispatcher.broadcast b
        where b.finished_at is null and b.progressed_at < clock_timestamp() - interval '1 second') as progress,
    exists (select from dispatcher.refusal r where r.told_at is null) as refusals,
    exists (select from dispatcher.erasure) as erasures,
    exists (
        select from dispatcher.follow_up f where f.done_at is null and f.look_at <= clock_timestamp()) as follow_ups
"""
