"""SQL of results: our own, Meta's statuses, and rows without an answer.

Rows are locked in the order of their ids, so that replicas cannot deadlock. No join is made where rows are locked:
PostgreSQL 18 missed rows of a join that another transaction was just changing (decision 0028). Every change of a
broadcast's delivery updates its counters in the same statement.
"""

# Shared end of RECORD and APPLY_STATUSES for changed rows.
_NOTED = """returning d.id, case when d.subscriber is not null then d.source end as broadcast, d.subscriber,
        d.error_code, j.old_state, j.new_state
), refused as (
    insert into dispatcher.refusal (delivery, subscriber, code)
    select id, subscriber, error_code from changed
    where subscriber is not null and new_state = 'failed' and error_code = any({codes}::int[])
    on conflict do nothing
)"""

# Our own result counts only for its own claim; otherwise another replica has claimed the row since. An acceptance
# always counts, unless Meta has reported that very message as failed.
RECORD = f"""
with news as (
    select * from unnest($1::uuid[], $2::text[]::dispatcher.delivery_state[], $3::bytea[], $4::int[],
        $5::timestamptz[], $6::int[], $7::bool[], $8::text[]::dispatcher.wait_cause[])
        as r (news_id, state, message_key, error_code, due_at, claim, attempted, waits_for)
), locked as (
    select d.id, d.state as old_state, d.claim as newest_claim, d.failed_keys
    from dispatcher.delivery d where d.id = any($1::uuid[]) order by d.id for update
), judged as (
    select l.id, l.old_state, n.*, case
        when n.state = 'accepted' and n.message_key = any(l.failed_keys) then l.old_state
        when n.state = 'accepted' then dispatcher.advance(l.old_state, n.state)
        when n.claim <> l.newest_claim then l.old_state
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
        answer_by = null,
        unknown_at = case when j.new_state = 'unknown' then clock_timestamp() end,
        attempt = d.attempt + case when j.attempted and j.new_state = 'waiting' then 1 else 0 end,
        content = case when j.new_state in ('waiting', 'unknown') then d.content end
    from judged j where d.id = j.id and (j.new_state <> j.old_state
        or j.state = 'accepted' and d.message_key is null and j.new_state in ('accepted', 'sent', 'delivered', 'read'))
    {_NOTED.format(codes="$10")}
select dispatcher.count_changes($9, array_agg(broadcast), array_agg(old_state), array_agg(new_state)) from changed
"""

# A failure that Meta reports later counts once, and only for the message that it names: the row's own, or the only one
# that the row can have. Earlier statuses of a failed message no longer count. A failure that may be temporary gives the
# delivery another attempt, as long as `attempts` allows, and reopens a finished broadcast.
APPLY_STATUSES = f"""
with news as (
    select * from unnest($1::uuid[], $2::text[]::dispatcher.delivery_state[], $3::bytea[], $4::int[], $5::int[],
        $6::timestamptz[], $7::text[]::dispatcher.wait_cause[])
        as r (id, state, message_key, error_code, attempts, due_at, waits_for)
), locked as (
    select d.id, d.state as old_state, d.attempt, d.message_key as old_key, d.failed_keys, d.resends, d.claim,
        d.claimed_at, d.subscriber is not null or d.content is not null as can_be_sent_again
    from dispatcher.delivery d where d.id = any($1::uuid[]) order by d.id for update
), judged as (
    select l.id, l.old_state, n.message_key, n.error_code, n.due_at, n.waits_for, case
        when n.state not in ('delivered', 'read') and n.message_key = any(l.failed_keys) then l.old_state
        when n.state = 'failed' and not coalesce(
            l.old_key = n.message_key, l.old_state in ('claimed', 'unknown', 'accepted', 'sent') and l.resends = 0
        ) then l.old_state
        when n.state = 'failed' and l.old_state in ('claimed', 'unknown', 'accepted', 'sent') and l.attempt < n.attempts
            and l.can_be_sent_again
        then 'waiting'
        else dispatcher.advance(l.old_state, n.state) end as new_state
    from locked l join news n on l.id = n.id
), changed as (
    update dispatcher.delivery d
    set state = j.new_state,
        message_key = case when j.new_state = 'waiting' then null else coalesce(d.message_key, j.message_key) end,
        failed_keys = case when j.new_state in ('waiting', 'failed') then d.failed_keys || j.message_key
            else d.failed_keys end,
        error_code = case when j.new_state in ('waiting', 'failed') then coalesce(j.error_code, d.error_code) end,
        attempt = d.attempt + case when j.new_state = 'waiting' then 1 else 0 end,
        due_at = case when j.new_state = 'waiting' then j.due_at end,
        waits_for = case when j.new_state = 'waiting' then j.waits_for end,
        answer_by = null,
        unknown_at = null,
        content = case when j.new_state = 'waiting' then d.content end
    from judged j where d.id = j.id and j.new_state <> j.old_state
    {_NOTED.format(codes="$9")}, continued as (
    update dispatcher.broadcast b set finished_at = null
    where b.finished_at is not null and b.id in (select broadcast from changed where new_state = 'waiting')
), streamed as (
    -- Only a status of the newest message tells how far the stream is.
    insert into dispatcher.status_stream as s (number, seen_at, through)
    select $10, clock_timestamp(), max(claimed_at) filter (where coalesce(old_key = n.message_key, claim = 1))
    from locked l join news n on l.id = n.id
    having max(claimed_at) filter (where coalesce(old_key = n.message_key, claim = 1)) > coalesce((
        select max(t.through) from dispatcher.status_stream t
        where t.number = $10 and t.seen_at > clock_timestamp() - interval '250 milliseconds'), '-infinity')
    on conflict do nothing
)
select dispatcher.count_changes($8, array_agg(broadcast), array_agg(old_state), array_agg(new_state)) as changed,
    (select count(*) from locked) as matched
from changed
"""

MARK_UNKNOWN = """
with lost as (
    select id from dispatcher.delivery where answer_by <= clock_timestamp() order by id limit 1000
    for update skip locked
), changed as (
    update dispatcher.delivery d set state = 'unknown', unknown_at = clock_timestamp(), answer_by = null
    from lost where d.id = lost.id
    returning case when d.subscriber is not null then d.source end as broadcast,
        'claimed'::dispatcher.delivery_state as old_state, d.state as new_state
)
select dispatcher.count_changes($1, array_agg(broadcast), array_agg(old_state), array_agg(new_state)) from changed
"""

# A missing status is proof only if, a grace time ago, the stream had already reached a message that was claimed well
# after this one; checked again for each resend, and only a limited number of times.
REQUEUE_UNKNOWN = """
with passed as (
    select max(through) as through from dispatcher.status_stream
    where number = $1 and seen_at < clock_timestamp() - make_interval(secs => $2)
), absent as (
    select d.id from dispatcher.delivery d, passed
    where d.unknown_at is not null and d.resends < $5
        and d.claimed_at + make_interval(secs => $3) < passed.through
        and d.claimed_at < clock_timestamp() - make_interval(secs => $2)
    order by d.id limit 1000 for update of d skip locked
), changed as (
    update dispatcher.delivery d
    set state = 'waiting', due_at = clock_timestamp(), waits_for = 'rate', unknown_at = null, resends = d.resends + 1,
        attempt = d.attempt + 1
    from absent where d.id = absent.id
    returning case when d.subscriber is not null then d.source end as broadcast,
        'unknown'::dispatcher.delivery_state as old_state, d.state as new_state
)
select dispatcher.count_changes($4, array_agg(broadcast), array_agg(old_state), array_agg(new_state)) from changed
"""

CANCEL = "insert into dispatcher.cancellation (broadcast, reason) values ($1, $2) on conflict do nothing"

# The replica that updates `progressed_at` publishes the progress; the others find nothing. Unchanged progress is
# published once a minute. An outcome that is still unknown $1 seconds after the expiry cannot be proven any more and
# counts as final. Pages stopped by a cancellation never arrive: the audience is then what arrived within ten minutes.
COLLECT_PROGRESS = """
with counted as (
    select b.id, coalesce(jsonb_object_agg(n.state, n.deliveries) filter (where n.state is not null), '{}')
        || jsonb_build_object('audience', b.audience) as progress
    from dispatcher.broadcast b left join lateral (
        select c.state, sum(c.deliveries)::int as deliveries from dispatcher.broadcast_count c
        where c.broadcast = b.id group by c.state having sum(c.deliveries) <> 0
    ) n on true
    where b.finished_at is null and b.progressed_at < clock_timestamp() - interval '1 second'
    group by b.id
), told as (
    update dispatcher.broadcast b set progressed_at = clock_timestamp(), progress = c.progress
    from counted c
    where b.id = c.id and b.progressed_at < clock_timestamp() - interval '1 second'
        and (b.progress is distinct from c.progress or b.progressed_at < clock_timestamp() - interval '1 minute'
            or b.expires_at < clock_timestamp() - make_interval(secs => $1))
    returning b.id, b.audience, b.progress, b.expires_at < clock_timestamp() - make_interval(secs => $1) as is_over,
        exists (
            select from dispatcher.cancellation x
            where x.broadcast = b.id and x.cancelled_at < clock_timestamp() - interval '10 minutes') as is_cut,
        (select count(*) from dispatcher.delivery d where d.source = b.id and d.waits_for = 'pair')::int as limited
)
select t.id, t.audience, t.is_over, t.is_cut, t.limited, s.key as state, s.value::int as deliveries
from told t left join lateral jsonb_each_text(t.progress) s on s.key <> 'audience' order by t.id
"""

BROADCAST_PROGRESS = """
select b.id, b.audience, b.finished_at is not null as is_over, b.finished_at is not null as is_cut, n.state::text,
    sum(n.deliveries)::int as deliveries,
    (select x.reason from dispatcher.cancellation x where x.broadcast = b.id) as cancelled
from dispatcher.broadcast b left join dispatcher.broadcast_count n on n.broadcast = b.id
where b.id = $1
group by b.id, b.audience, n.state
"""

FINISH = """
update dispatcher.broadcast set finished_at = clock_timestamp()
where id = $1 and finished_at is null and not exists (
    select from dispatcher.broadcast_count n where n.broadcast = $1 and n.state in ('waiting', 'claimed')
    having sum(n.deliveries) <> 0)
"""

# Counts recipients without a final state, and recipients of ended broadcasts without a row (unless a cancellation may
# have stopped their pages), and measures how long the first due delivery has been due.
BACKLOG = """
with counted as (
    select b.lane, b.expanded, b.finished_at,
        case when not exists (select from dispatcher.cancellation x where x.broadcast = b.id)
            then coalesce(b.audience, b.expanded) end as due,
        b.finished_at is not null or b.expires_at < clock_timestamp() - interval '1 minute' as ended,
        coalesce(sum(n.deliveries), 0) as known,
        coalesce(sum(n.deliveries) filter (where n.state not in ('waiting', 'claimed', 'unknown')), 0) as settled
    from dispatcher.broadcast b left join dispatcher.broadcast_count n on n.broadcast = b.id
    where b.finished_at is null or b.finished_at > clock_timestamp() - interval '1 hour'
    group by b.id
), by_lane as (
    select lane, sum(case when finished_at is null then expanded else known end - settled) as waiting,
        sum(abs(due - known)) filter (where ended) as unaccounted
    from counted group by lane
)
select l.lane::text, case when l.lane = 'reply'
        then (select count(*) from dispatcher.delivery d where d.lane = 'reply' and d.due_at is not null)
        else coalesce(c.waiting, 0) end::int as waiting,
    coalesce(c.unaccounted, 0)::int as unaccounted,
    coalesce(extract(epoch from clock_timestamp() - (
        select min(d.due_at) from dispatcher.delivery d where d.lane = l.lane and d.due_at <= clock_timestamp()
    )), 0)::float8 as overdue_seconds,
    coalesce(extract(epoch from clock_timestamp() - (
        select min(d.unknown_at) from dispatcher.delivery d where d.unknown_at is not null
    )), 0)::float8 as unknown_seconds,
    (select r.paused_reason is not null from dispatcher.rate r where r.number = $1) as held
from unnest(enum_range(null::dispatcher.lane)) as l (lane) left join by_lane c on c.lane = l.lane
"""

REPORT_UNREACHABLE = """
insert into dispatcher.unreachable as u (replica, number, reason, since)
values ($1, $2, $3, clock_timestamp() - $4 * interval '1 second')
on conflict (replica) do update set number = excluded.number, reason = excluded.reason, since = excluded.since,
    said_at = excluded.said_at
"""

UNREPORTED_REFUSALS = """
select delivery, subscriber, code from dispatcher.refusal where told_at is null order by delivery limit 100
"""
MARK_REFUSALS_REPORTED = "update dispatcher.refusal set told_at = clock_timestamp() where delivery = any($1::uuid[])"

PAUSE_TEMPLATE = """
insert into dispatcher.template_pause (template, reason) values ($1, $2) on conflict do nothing returning true
"""
RESUME_TEMPLATE = "delete from dispatcher.template_pause where template = $1"
