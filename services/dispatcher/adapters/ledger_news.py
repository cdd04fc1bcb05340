"""SQL of what becomes of claims: our own results, Meta's statuses, and rows that nobody answers for.

Rows are locked in the order of their ids, so that replicas cannot wait for one another in a circle; every change
of a broadcast's delivery moves its counters in the same statement.
"""

_COUNTED = """
counted as (
    insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
    select source, state, {slot}, sum(deliveries) from (
        select source, old_state as state, -1 as deliveries from changed where subscriber is not null
        union all select source, new_state, 1 from changed where subscriber is not null
    ) as moved group by source, state having sum(deliveries) <> 0 order by source, state
    on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
)
"""

# A result of ours. A status may have come first, or the row been given to another attempt: then only the proof
# of acceptance counts.
RECORD = f"""
with news as (
    select id as news_id, state::dispatcher.delivery_state, message_key, error_code, due_at, attempt, attempted,
        waits_for
    from unnest($1::uuid[], $2::text[], $3::bytea[], $4::int[], $5::timestamptz[], $6::int[], $7::bool[], $8::text[])
        as r (id, state, message_key, error_code, due_at, attempt, attempted, waits_for)
), locked as (
    select d.id, d.state as old_state, d.attempt as old_attempt
    from dispatcher.delivery d join news on news_id = d.id order by d.id for update of d
), judged as (
    select l.id, l.old_state, n.*, case
        when n.state = 'accepted' then dispatcher.advance(l.old_state, n.state)
        when n.attempt <> l.old_attempt then l.old_state
        when l.old_state = 'claimed' or l.old_state = 'unknown' and n.state <> 'unknown' then n.state
        else l.old_state end as new_state
    from locked l join news n on l.id = n.news_id
), changed as (
    update dispatcher.delivery d
    set state = j.new_state,
        message_key = coalesce(j.message_key, d.message_key),
        error_code = coalesce(j.error_code, d.error_code),
        due_at = case when j.new_state = 'waiting' then j.due_at end,
        waits_for = case when j.new_state = 'waiting' then j.waits_for end,
        unknown_at = case when j.new_state = 'unknown' then clock_timestamp() end,
        attempt = d.attempt + case when j.attempted and j.new_state = 'waiting' then 1 else 0 end,
        accepted_at = case when j.state = 'accepted' then clock_timestamp() else d.accepted_at end,
        content = case when j.new_state in ('waiting', 'unknown', 'claimed') then d.content end
    from judged j where d.id = j.id
    returning d.id, d.source, d.subscriber, d.error_code, j.old_state, j.new_state
), refused as (
    insert into dispatcher.refusal (delivery, subscriber, code)
    select id, subscriber, error_code from changed
    where subscriber is not null and new_state = 'failed' and error_code = any($10::int[])
    on conflict do nothing
), {_COUNTED.format(slot="$9")}
select count(*) from changed
"""

# A failure that Meta reports later counts for the attempt whose message it names, and once. One that may pass
# gives the delivery another attempt, as long as `attempts` allows.
APPLY_STATUSES = f"""
with news as (
    select id, state::dispatcher.delivery_state, message_key, error_code, attempts, due_at, waits_for
    from unnest($1::uuid[], $2::text[], $3::bytea[], $4::int[], $5::int[], $6::timestamptz[], $7::text[])
        as r (id, state, message_key, error_code, attempts, due_at, waits_for)
), locked as (
    select d.id, d.state as old_state, d.attempt, d.message_key as old_key, d.failed_key, d.claimed_at,
        d.subscriber is not null or d.content is not null as can_be_sent_again
    from dispatcher.delivery d join news using (id) order by d.id for update of d
), judged as (
    select l.id, l.old_state, n.message_key, n.error_code, n.due_at, n.waits_for, case
        when n.state = 'failed' and (l.old_key <> n.message_key or l.failed_key = n.message_key) then l.old_state
        when n.state = 'failed' and l.old_state in ('claimed', 'unknown', 'accepted', 'sent') and l.attempt < n.attempts
            and l.can_be_sent_again
        then 'waiting'
        else dispatcher.advance(l.old_state, n.state) end as new_state
    from locked l join news n on l.id = n.id
), changed as (
    update dispatcher.delivery d
    set state = j.new_state,
        message_key = case when j.new_state = 'waiting' then null else coalesce(d.message_key, j.message_key) end,
        failed_key = case when j.new_state in ('waiting', 'failed') then j.message_key else d.failed_key end,
        error_code = case when j.new_state in ('waiting', 'failed') then coalesce(j.error_code, d.error_code) end,
        attempt = d.attempt + case when j.new_state = 'waiting' then 1 else 0 end,
        due_at = case when j.new_state = 'waiting' then j.due_at end,
        waits_for = case when j.new_state = 'waiting' then j.waits_for end,
        unknown_at = null,
        content = case when j.new_state = 'waiting' then d.content end,
        accepted_at = coalesce(d.accepted_at, clock_timestamp())
    from judged j where d.id = j.id and j.new_state <> j.old_state
    returning d.id, d.source, d.subscriber, d.error_code, j.old_state, j.new_state
), refused as (
    insert into dispatcher.refusal (delivery, subscriber, code)
    select id, subscriber, error_code from changed
    where subscriber is not null and new_state = 'failed' and error_code = any($9::int[])
    on conflict do nothing
), {_COUNTED.format(slot="$8")}
select (select count(*) from changed) as changed, (select count(*) from locked) as matched,
    (select max(claimed_at) from locked) as through
"""

MARK_STREAM = """
insert into dispatcher.status_stream (number, seen_at, through)
select $1, clock_timestamp(), $2
where not exists (
    select from dispatcher.status_stream
    where number = $1 and seen_at > clock_timestamp() - interval '250 milliseconds' and through >= $2)
on conflict do nothing
"""

MARK_UNKNOWN = f"""
with lost as (
    select id from dispatcher.delivery
    where state = 'claimed' and claimed_at < clock_timestamp() - make_interval(secs => $1)
    order by id limit 1000 for update skip locked
), changed as (
    update dispatcher.delivery d set state = 'unknown', unknown_at = clock_timestamp()
    from lost where d.id = lost.id
    returning d.id, d.source, d.subscriber, 'claimed'::dispatcher.delivery_state as old_state, d.state as new_state
), {_COUNTED.format(slot="$2")}
select count(*) from changed
"""

# Absence is proof only if, a grace time ago, the stream had already brought a status of a message that was
# claimed well after this one; each time anew, and not for ever.
RELEASE_UNKNOWN = f"""
with passed as (
    select max(through) as through from dispatcher.status_stream
    where number = $1 and seen_at < clock_timestamp() - make_interval(secs => $2)
), absent as (
    select d.id from dispatcher.delivery d, passed
    where d.state = 'unknown' and d.resends < $5
        and d.claimed_at + make_interval(secs => $3) < passed.through
        and d.claimed_at < clock_timestamp() - make_interval(secs => $2)
    order by d.id limit 1000 for update of d skip locked
), changed as (
    update dispatcher.delivery d
    set state = 'waiting', due_at = clock_timestamp(), unknown_at = null, resends = d.resends + 1,
        attempt = d.attempt + 1
    from absent where d.id = absent.id
    returning d.id, d.source, d.subscriber, 'unknown'::dispatcher.delivery_state as old_state, d.state as new_state
), {_COUNTED.format(slot="$4")}
select count(*) from changed
"""

CANCEL = "insert into dispatcher.cancellation (broadcast, reason) values ($1, $2) on conflict do nothing"

# Whoever moves `progressed_at` on tells the world; the others find nothing.
PROGRESS = """
with told as (
    update dispatcher.broadcast b set progressed_at = clock_timestamp()
    where b.id in (
        select id from dispatcher.broadcast
        where finished_at is null and progressed_at < clock_timestamp() - interval '1 second'
        for update skip locked)
    returning b.id, b.audience
)
select t.id, t.audience, n.state::text, sum(n.deliveries)::int as deliveries
from told t left join dispatcher.broadcast_count n on n.broadcast = t.id
group by t.id, t.audience, n.state order by t.id
"""

COURSE = """
select b.id, b.audience, n.state::text, sum(n.deliveries)::int as deliveries,
    (select x.reason from dispatcher.cancellation x where x.broadcast = b.id) as cancelled
from dispatcher.broadcast b left join dispatcher.broadcast_count n on n.broadcast = b.id
where b.id = $1
group by b.id, b.audience, n.state
"""

FINISH = "update dispatcher.broadcast set finished_at = clock_timestamp() where id = $1 and finished_at is null"

# Recipients that have no final news yet, and those of ended broadcasts that have no row at all.
OUTSTANDING = """
with counted as (
    select b.id, b.lane, b.expanded, b.audience,
        b.finished_at is not null or b.expires_at < clock_timestamp() - interval '1 minute' as ended,
        coalesce(sum(n.deliveries), 0) as known,
        coalesce(sum(n.deliveries) filter (where n.state not in ('waiting', 'claimed', 'unknown')), 0) as settled
    from dispatcher.broadcast b left join dispatcher.broadcast_count n on n.broadcast = b.id
    where b.finished_at is null or b.finished_at > clock_timestamp() - interval '1 hour'
    group by b.id
), alone as (
    select count(*) filter (where state = 'waiting' and lane = 'reply') as waiting,
        coalesce(extract(epoch from clock_timestamp() - min(unknown_at)), 0)::float8 as unknown_seconds
    from dispatcher.delivery where state = 'unknown' or state = 'waiting' and lane = 'reply'
)
select 'reply' as lane, waiting, 0 as unaccounted, unknown_seconds from alone
union all
select lane::text, sum(expanded - settled), sum(abs(coalesce(audience, expanded) - known)) filter (where ended), 0
from counted group by lane
"""

UNTOLD_REFUSALS = """
select delivery, subscriber, code from dispatcher.refusal where told_at is null order by delivery limit 100
"""
REFUSALS_TOLD = "update dispatcher.refusal set told_at = clock_timestamp() where delivery = any($1::uuid[])"

HOLD_TEMPLATE = "insert into dispatcher.template_hold (template, reason) values ($1, $2) on conflict do nothing"
RELEASE_TEMPLATE = "delete from dispatcher.template_hold where template = $1"
WAKE_TEMPLATE = """
update dispatcher.delivery d set due_at = clock_timestamp()
from dispatcher.broadcast b
where b.id = d.source and b.template = $1 and d.state = 'waiting' and d.due_at = 'infinity'
    and d.waits_for = 'template'
"""
