-- migrate:up
do $$
declare
    name text;
begin
    foreach name in array array['dispatcher', 'monitor', 'operator', 'rotation'] loop
        begin
            execute format('create role kreisfunk_%s nologin', name);
        exception when duplicate_object or unique_violation then null;
        end;
    end loop;
end
$$;

-- In the order of the way; a comparison of two states up to 'read' tells which is further.
create type dispatcher.delivery_state as enum (
    'waiting', 'claimed', 'unknown', 'accepted', 'sent', 'delivered', 'read',
    'failed', 'expired', 'cancelled', 'suppressed'
);
create type dispatcher.lane as enum ('reply', 'urgent', 'bulk');
create type dispatcher.wait_cause as enum (
    'rate', 'again', 'slower', 'pair', 'sender', 'template', 'resume', 'hours', 'spread', 'people', 'budget'
);

create table dispatcher.broadcast (
    id uuid primary key,
    notice text not null,
    revision integer not null,
    topic text not null,
    lane dispatcher.lane not null,
    template text not null,
    content jsonb not null,
    published_at timestamptz not null,
    expires_at timestamptz not null,
    -- When it may be sent, by the clock of `zone`; null means at any time.
    opens time,
    closes time,
    zone text,
    -- One recipient after the other, `spacing` apart; null means as fast as the rate permits.
    spacing interval,
    paused_reason text,
    audience integer,
    expanded integer not null default 0,
    -- When its progress was published last, and which.
    progressed_at timestamptz not null default '-infinity',
    progress jsonb,
    finished_at timestamptz
);
create index broadcast_unfinished on dispatcher.broadcast (progressed_at) where finished_at is null;

-- How many deliveries of a broadcast are in which state, kept with every change; `slot` spreads the writers.
create table dispatcher.broadcast_count (
    broadcast uuid not null,
    state dispatcher.delivery_state not null,
    slot smallint not null,
    deliveries integer not null,
    primary key (broadcast, state, slot)
) with (fillfactor = 50);

-- Independent of the broadcast's row, since the cancellation may arrive first.
create table dispatcher.cancellation (
    broadcast uuid primary key,
    reason text not null,
    cancelled_at timestamptz not null default clock_timestamp()
);

-- Nothing decided at or before consent number `sequence` may be sent; topic '' stands for all topics.
create table dispatcher.suppression (
    subscriber uuid not null,
    topic text not null,
    sequence integer not null,
    suppressed_at timestamptz not null default clock_timestamp(),
    primary key (subscriber, topic)
);

-- One row for each message to one recipient. The id is derived from (source, subscriber), so the primary key
-- is what makes a second delivery impossible; it begins with the time, so ranges of it are periods.
create table dispatcher.delivery (
    id uuid primary key,
    source uuid not null,
    subscriber uuid,
    sequence integer,
    lane dispatcher.lane not null,
    state dispatcher.delivery_state not null,
    address_kind text not null,
    address_index bytea not null,
    address_sealed bytea not null,
    content jsonb,
    asked_at timestamptz not null,
    expires_at timestamptz not null,
    -- How often Meta was asked to no avail, and how often the row was claimed: only the newest claim may record.
    attempt smallint not null default 1,
    claim integer not null default 0,
    -- How often it went again because the stream of statuses had passed it without a word.
    resends smallint not null default 0,
    claimed_at timestamptz not null default clock_timestamp(),
    -- Set exactly while claimed: by when its result has to be on record, or its outcome is unknown.
    answer_by timestamptz,
    unknown_at timestamptz,
    -- `waits_for` is set exactly while waiting; without `due_at` it is parked until what it waits for is there.
    due_at timestamptz,
    waits_for dispatcher.wait_cause,
    message_key bytea,
    -- Messages of earlier attempts that Meta reported as failed: repeated webhooks about them say nothing new.
    failed_keys bytea[],
    error_code integer,
    check ((state = 'waiting') = (waits_for is not null) and (state = 'waiting' or due_at is null)),
    check ((state = 'claimed') = (answer_by is not null) and (state = 'unknown') = (unknown_at is not null))
) partition by range (id);
-- No index names `state`: so a status changes none, and its row stays on its page (HOT).
create index delivery_due on dispatcher.delivery (lane, due_at) where due_at is not null;
create index delivery_claimed on dispatcher.delivery (answer_by) where answer_by is not null;
create index delivery_unknown on dispatcher.delivery (unknown_at) where unknown_at is not null;
create index delivery_waiting on dispatcher.delivery (source, waits_for, due_at) where waits_for is not null;
create index delivery_limited on dispatcher.delivery (waits_for, due_at, lane, id)
    where waits_for in ('people', 'budget');
-- A reply is found by whom it goes to; a broadcast's delivery by its derived id.
create index delivery_reply on dispatcher.delivery (address_index) where subscriber is null and address_index <> '';
create table dispatcher.delivery_other partition of dispatcher.delivery default with (fillfactor = 70);

-- How far the stream of statuses has come: at `seen_at` there was one of a message claimed at `through`.
create table dispatcher.status_stream (
    number text not null,
    seen_at timestamptz not null,
    through timestamptz not null,
    primary key (number, seen_at)
);

-- Slots planned between two moments (seconds since 1970) of which one was used `late` seconds after its moment.
create type dispatcher.late_use as (starts double precision, ends double precision, late double precision);

-- The rate of a sending number, shared by all replicas. `next_at` is the first moment that is not taken.
create table dispatcher.rate (
    number text primary key,
    next_at timestamptz not null default '-infinity',
    late_uses dispatcher.late_use[] not null default '{}',
    per_second double precision not null,
    ceiling double precision not null,
    changed_at timestamptz not null default clock_timestamp(),
    slowed_at timestamptz not null default '-infinity',
    -- Why nothing is sent at all; one message is tried at `probe_at`, to see whether the cause is gone. A hold by a
    -- person is not tried: only a person ends it.
    paused_reason text,
    paused_by_operator boolean not null default false,
    probe_at timestamptz not null default '-infinity',
    -- Meta's tier: different people in any rolling 24 hours; and what we may send in a month. Null: no limit.
    people_a_day integer,
    messages_a_month integer,
    -- Our setting of `people_a_day`, which Meta's word replaces until the setting is changed.
    people_setting integer
) with (fillfactor = 50);

-- Replicas without a word of Meta's. Each says so every second: whose row is older has one again, or has ended.
create table dispatcher.unreachable (
    replica text primary key,
    number text not null,
    reason text not null,
    since timestamptz not null,
    said_at timestamptz not null default clock_timestamp()
);

-- Whom we wrote to last at which minute, and how many that are by minute: a person counts once, at the latest.
create table dispatcher.reached (
    subscriber uuid primary key,
    minute timestamptz not null
);
create table dispatcher.reached_minute (
    minute timestamptz primary key,
    people integer not null
);
create table dispatcher.sent_month (
    month date primary key,
    messages integer not null
);

-- Templates that Meta does not accept just now; their broadcasts wait.
create table dispatcher.template_pause (
    template text primary key,
    reason text not null,
    paused_at timestamptz not null default clock_timestamp()
);

-- What Meta said last about our account, by what it was about.
create table dispatcher.account_update (
    subject text primary key,
    said_at timestamptz not null,
    word text not null
);

-- Recipients that Meta will not reach, until subscriptions has been told.
create table dispatcher.refusal (
    delivery uuid primary key,
    subscriber uuid not null,
    code integer not null,
    told_at timestamptz
);
create index refusal_untold on dispatcher.refusal (delivery) where told_at is null;

-- Broadcasts to those who got an earlier one, and how far the earlier one's deliveries have been read. As long as it
-- is under way they are read again, pass after pass; the last pass is one that began when it was over.
create table dispatcher.follow_up (
    broadcast uuid not null references dispatcher.broadcast,
    follows uuid not null,
    position uuid not null,
    -- What was claimed before this has been seen by an earlier pass.
    since timestamptz not null default '-infinity',
    began_at timestamptz not null default clock_timestamp(),
    last boolean not null default false,
    look_at timestamptz not null default clock_timestamp(),
    done_at timestamptz,
    primary key (broadcast, follows)
);
create index follow_up_open on dispatcher.follow_up (look_at) where done_at is null;

-- Erasures that are not finished; the row goes with the last address.
create table dispatcher.erasure (
    id uuid primary key,
    subscribers uuid[] not null,
    indexes bytea[] not null,
    user_index bytea,
    user_sealed bytea,
    asked_at timestamptz not null default clock_timestamp(),
    tried_at timestamptz not null default '-infinity'
);

-- The state after news of acceptance, a status or a failure; the twin of domain/states.py, compared by a test.
create function dispatcher.advance(old dispatcher.delivery_state, new dispatcher.delivery_state)
returns dispatcher.delivery_state language sql immutable parallel safe as $$
    select case
        when new = 'failed' then case when old in ('delivered', 'read') or old > 'failed' then old else new end
        when old = 'failed' then case when new in ('delivered', 'read') then new else old end
        when old > 'failed' then new
        else greatest(old, new)
    end
$$;

-- Moves the counters of these changes in one order, so that nobody waits in a circle, and returns how many changes they
-- are. A delivery that is new has no old state; a reply is of no broadcast, and has no counter.
create function dispatcher.count_changes(
    slot integer, broadcasts uuid[], old_states dispatcher.delivery_state[], new_states dispatcher.delivery_state[]
) returns integer language plpgsql as $$
#variable_conflict use_column
begin
    insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
    select c.broadcast, m.state, count_changes.slot, sum(m.deliveries)
    from unnest(broadcasts, old_states, new_states) as c (broadcast, old_state, new_state),
        lateral (values (c.old_state, -1), (c.new_state, 1)) as m (state, deliveries)
    where c.broadcast is not null and m.state is not null
    group by 1, 2 having sum(m.deliveries) <> 0 order by 1, 2
    on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries;
    return coalesce(cardinality(new_states), 0);
end
$$;

-- The next moment at or after `moment` when a broadcast may be sent, by the wall clock of `zone`; the twin of
-- shared/contracts/hours.py, compared by a test.
create function dispatcher.opening(opens time, closes time, zone text, moment timestamptz)
returns timestamptz language sql stable parallel safe as $$
    select case
        when opens is null then moment
        when (moment at time zone zone)::time < opens then ((moment at time zone zone)::date + opens) at time zone zone
        when (moment at time zone zone)::time >= closes
        then ((moment at time zone zone)::date + 1 + opens) at time zone zone
        else moment end
$$;

-- Whether a recipient may be sent to now, and if it has to wait, for what and until when (null: until that is over).
-- `ordinal` is the recipient's number in the broadcast, null for one that has had its turn.
create function dispatcher.judge(b dispatcher.broadcast, person uuid, consent integer, ordinal integer)
returns table (state dispatcher.delivery_state, due_at timestamptz, waits_for dispatcher.wait_cause)
language sql stable as $$
    with moment as (
        select now, dispatcher.opening(b.opens, b.closes, b.zone, now) as opens,
            b.published_at + b.spacing * ordinal as turn,
            exists (select from dispatcher.template_pause h where h.template = b.template) as held
        from (select clock_timestamp() as now) clock
    ), judged as (
        select *, case
            when exists (select from dispatcher.cancellation x where x.broadcast = b.id) then 'cancelled'
            when b.expires_at <= now then 'expired'
            when exists (
                select from dispatcher.suppression s
                where s.subscriber = person and s.topic in ('', b.topic) and s.sequence >= consent
            ) then 'suppressed'
            when b.paused_reason is not null or held or opens > now or turn > now then 'waiting'
            else 'claimed' end as state
        from moment
    )
    select state::dispatcher.delivery_state,
        case when state = 'waiting' and b.paused_reason is null and not held then greatest(opens, turn) end,
        case when state <> 'waiting' then null when b.paused_reason is not null then 'resume' when held then 'template'
            when turn > now then 'spread' else 'hours' end::dispatcher.wait_cause
    from judged
$$;

-- By how many seconds slots planned from `begins` until `ends` have to be used later, since slots a second before them
-- were used late. Of two slots that are the limit apart, the second is then a second after the first in spite of its
-- lateness; what is shifted is late itself, by 3 ms less, so lateness dies away and costs no rate (decision 0007).
create function dispatcher.shift(
    late_uses dispatcher.late_use[], begins double precision, ends double precision
) returns double precision language sql immutable parallel safe as $$
    select coalesce(max(u.late), 0.003) - 0.003 from unnest(late_uses) u
    where u.late > 0.003 and u.starts <= shift.ends - 1 and u.ends >= shift.begins - 1 - u.late
$$;

-- Slots of the shared rate (GCRA): moves `next_at` on and says when the first of them is planned, and by how much all of
-- them have to be used later. Where that is more than 0.25 s, the plan moves instead. The clock is the server's, in
-- seconds since 1970; `clock` is what it showed. Idle time earns nothing. Whoever was slowed down by Meta recovers
-- by a fiftieth of the ceiling a second. A sender that is held gets one slot in a while, for a message that shows whether
-- the cause is gone; else no slot, and `planned` is when to ask again.
create function dispatcher.reserve(sender text, wanted integer)
returns table (
    slots integer, planned double precision, shift double precision, clock double precision,
    spacing_seconds double precision, rate_per_second double precision, paused_reason text
) language plpgsql as $$
declare
    row_then dispatcher.rate;
begin
    select * into strict row_then from dispatcher.rate r where r.number = sender for update;
    rate_per_second := least(row_then.ceiling, row_then.per_second
        + row_then.ceiling / 50 * greatest(0, extract(epoch from clock_timestamp() - row_then.changed_at)));
    spacing_seconds := 1 / rate_per_second;
    paused_reason := row_then.paused_reason;
    shift := 0;
    if paused_reason is not null then
        slots := case when row_then.probe_at <= clock_timestamp() then 1 else 0 end;
        planned := extract(epoch from greatest(row_then.probe_at, clock_timestamp()));
        update dispatcher.rate r set probe_at = clock_timestamp() + interval '30 seconds'
        where r.number = sender and slots > 0;
    else
        slots := wanted;
        planned := extract(epoch from greatest(row_then.next_at, clock_timestamp()));
        shift := dispatcher.shift(row_then.late_uses, planned, planned + slots * spacing_seconds);
        if shift > 0.25 then
            planned := planned + shift;
            shift := 0;
        end if;
        update dispatcher.rate r
        set next_at = to_timestamp(planned + slots * spacing_seconds), per_second = rate_per_second,
            changed_at = greatest(r.changed_at, clock_timestamp())
        where r.number = sender;
    end if;
    clock := extract(epoch from clock_timestamp());
    return next;
end
$$;

-- A slot was used too late: those a second after it will be later too, or a second would hold too many.
create function dispatcher.report_late_use(
    sender text, starts double precision, ends double precision, late double precision
) returns void language sql as $$
    update dispatcher.rate r set late_uses = array(
        select u from unnest(r.late_uses) u where u.ends > extract(epoch from clock_timestamp()) - 1.4
    ) || row(starts, ends, late)::dispatcher.late_use
    where r.number = sender
$$;

-- Everybody waits for `pause` seconds and sends more slowly afterwards: by `factor`, at most once in a second, whoever
-- reports it. Returns whether it was this report that counted.
create function dispatcher.throttle(sender text, factor double precision, pause double precision)
returns boolean language plpgsql as $$
begin
    update dispatcher.rate r set next_at = greatest(r.next_at, clock_timestamp() + make_interval(secs => pause))
    where r.number = sender;
    update dispatcher.rate r
    set per_second = greatest(r.ceiling / 20, r.per_second * factor), slowed_at = clock_timestamp(),
        changed_at = clock_timestamp()
    where r.number = sender and r.slowed_at < clock_timestamp() - interval '1 second';
    return found;
end
$$;

-- Nothing is sent but one message in `seconds`, and then every 30 seconds, until one is accepted or a person releases
-- the sender. Returns whether it was not held before.
create function dispatcher.pause_by_meta(sender text, why text, seconds double precision)
returns boolean language plpgsql as $$
declare
    paused_before boolean;
begin
    select r.paused_reason is not null into strict paused_before from dispatcher.rate r where r.number = sender for update;
    update dispatcher.rate r
    set paused_reason = coalesce(r.paused_reason, why),
        probe_at = case when paused_before
            then greatest(r.probe_at, clock_timestamp() + make_interval(secs => seconds))
            else clock_timestamp() + make_interval(secs => seconds) end
    where r.number = sender and not r.paused_by_operator;
    return not paused_before;
end
$$;

create function dispatcher.this_month() returns date language sql stable as $$
    select date_trunc('month', clock_timestamp() at time zone 'Europe/Berlin')::date
$$;

-- How many more different people, and messages, may be reached now; null means any number.
create function dispatcher.allowance(sender text)
returns table (people integer, messages integer) language sql stable as $$
    select r.people_a_day - (
            select coalesce(sum(m.people), 0) from dispatcher.reached_minute m
            where m.minute > clock_timestamp() - interval '24 hours 1 minute')::integer,
        r.messages_a_month - coalesce((
            select s.messages from dispatcher.sent_month s where s.month = dispatcher.this_month()), 0)
    from dispatcher.rate r where r.number = sender
$$;

-- Of claims in this order, those that a limit forbids, and by which. The others are counted: a person once in 24 hours,
-- at the latest minute; a message once, by its first claim. One claim after the other does this, each with what those
-- before it have committed: the number's row is locked first, and a function that is volatile sees it.
create function dispatcher.limit_claims(sender text, ids uuid[], subscribers uuid[], first_claims boolean[])
returns table (id uuid, waits_for dispatcher.wait_cause) language plpgsql volatile as $$
#variable_conflict use_column
declare
    people_left integer;
    messages_left integer;
    this_minute timestamptz;
    causes dispatcher.wait_cause[];
begin
    perform from dispatcher.rate r where r.number = sender for update;
    select a.people, a.messages into people_left, messages_left from dispatcher.allowance(sender) a;
    this_minute := date_trunc('minute', clock_timestamp());
    with wanted as (
        select c.*, people_left is not null and not exists (
            select from dispatcher.reached r
            where r.subscriber = c.subscriber and r.minute > clock_timestamp() - interval '24 hours 1 minute'
        ) as fresh
        from unnest(ids, subscribers, first_claims) with ordinality as c (id, subscriber, is_first, place)
    ), numbered as (
        select *, sum(fresh::int) over (order by place) as people, sum(is_first::int) over (order by place) as messages
        from wanted
    )
    select array_agg(case when fresh and people > people_left then 'people'
        when is_first and messages > messages_left then 'budget' end::dispatcher.wait_cause order by place) into causes
    from numbered;
    if people_left is not null then
        with person as (
            select distinct c.subscriber from unnest(subscribers, causes) as c (subscriber, cause)
            where c.cause is null
        ), moved as (
            select r.minute, -count(*) as people
            from dispatcher.reached r join person using (subscriber) group by r.minute
            union all select this_minute, count(*) from person having count(*) > 0
        ), noted as (
            insert into dispatcher.reached (subscriber, minute) select subscriber, this_minute from person
            on conflict (subscriber) do update set minute = excluded.minute
        )
        insert into dispatcher.reached_minute as m (minute, people)
        select minute, sum(people) from moved group by minute
        on conflict (minute) do update set people = m.people + excluded.people;
    end if;
    if messages_left is not null then
        insert into dispatcher.sent_month as s (month, messages)
        select dispatcher.this_month(), count(*) from unnest(first_claims, causes) as c (is_first, cause)
        where c.is_first and c.cause is null having count(*) > 0
        on conflict (month) do update set messages = s.messages + excluded.messages;
    end if;
    return query select c.id, c.cause from unnest(ids, causes) as c (id, cause) where c.cause is not null;
end
$$;

-- The bound below which no id made at or after `moment` can lie (see shared/contracts/ids.py), and that of all ids that
-- were derived from `source`.
create function dispatcher.lowest_id(moment timestamptz) returns uuid language sql immutable parallel safe as $$
    select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
create function dispatcher.first_id(source uuid) returns uuid language sql immutable parallel safe as $$
    select (left(source::text, 13) || '-0000-0000-000000000000')::uuid
$$;
create function dispatcher.last_id(source uuid) returns uuid language sql immutable parallel safe as $$
    select (left(source::text, 13) || '-ffff-ffff-ffffffffffff')::uuid
$$;

-- Weekly partitions around now, made by their owner on behalf of a role that may not create anything; what lies in the
-- default partition moves over. Returns whether all are there: where somebody reads the whole table, as a backup does,
-- it is better done later than to make everybody wait.
create function dispatcher.ensure_partitions() returns boolean
language plpgsql security definer
set search_path = pg_catalog, dispatcher set timezone = 'UTC' set lock_timeout = '100ms' as $$
declare
    week timestamptz;
    name text;
begin
    if not pg_try_advisory_xact_lock(hashtext('dispatcher.ensure_partitions')) then
        return false;
    end if;
    for week in select generate_series(
        date_trunc('week', now()) - interval '2 weeks',
        now() + interval '4 weeks', interval '1 week')
    loop
        name := 'delivery_' || to_char(week, 'YYYYMMDD');
        if to_regclass('dispatcher.' || name) is null then
            execute format(
                'create table dispatcher.%1$I (like dispatcher.delivery including defaults including constraints)
                with (fillfactor = 70);
                lock table dispatcher.delivery_other in access exclusive mode;
                with moved as (delete from dispatcher.delivery_other where id >= %2$L and id < %3$L returning *)
                insert into dispatcher.%1$I select * from moved;
                alter table dispatcher.delivery attach partition dispatcher.%1$I for values from (%2$L) to (%3$L)',
                name, dispatcher.lowest_id(week), dispatcher.lowest_id(week + interval '1 week'));
        end if;
    end loop;
    return true;
exception when lock_not_available then
    return false;
end
$$;

-- Retention: whole weeks that began `days` ago are dropped, so that nothing is ever older. `days` must reach
-- further back than ensure_partitions does. A week in which something waits is kept: end_old_waiting comes first.
create function dispatcher.drop_old_partitions(days integer) returns integer
language plpgsql security definer
set search_path = pg_catalog, dispatcher set timezone = 'UTC' set lock_timeout = '100ms' as $$
declare
    week text;
    in_use boolean;
    dropped integer := 0;
begin
    if not pg_try_advisory_xact_lock(hashtext('dispatcher.ensure_partitions')) then
        return 0;
    end if;
    for week in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'dispatcher.delivery'::regclass and c.relname ~ '^delivery_[0-9]{8}$'
            and to_date(right(c.relname, 8), 'YYYYMMDD') + days <= now()::date
    loop
        execute format('select exists (select from dispatcher.%I where waits_for is not null)', week) into in_use;
        if not in_use then
            execute format('drop table dispatcher.%I', week);
            dropped := dropped + 1;
        end if;
    end loop;
    return dropped;
exception when lock_not_available then
    return 0;
end
$$;

-- What still waits when its week is due to be dropped has expired: a broadcast may be valid for longer than we may
-- keep addresses.
create function dispatcher.end_old_waiting(kept interval, step integer) returns integer language sql as $$
    with old as (
        select d.id from dispatcher.delivery d
        where d.waits_for is not null and (
            d.claimed_at < now() - kept or d.tableoid <> 'dispatcher.delivery_other'::regclass
                and d.id < dispatcher.lowest_id(date_trunc('week', now() - kept) + interval '1 week'))
        limit step for update skip locked
    ), changed as (
        update dispatcher.delivery d set state = 'expired', due_at = null, waits_for = null
        from old where d.id = old.id
        returning case when d.subscriber is not null then d.source end as broadcast, d.state
    )
    select dispatcher.count_changes(32, array_agg(broadcast), array_agg('waiting'::dispatcher.delivery_state),
        array_agg(state)) from changed
$$;

-- Retention of what lies in no week, as the clock of its message was wrong or its broadcast long planned.
create function dispatcher.delete_old_strays(kept interval, step integer) returns bigint
language sql security definer set search_path = pg_catalog, dispatcher as $$
    with old as (
        select id from dispatcher.delivery_other where claimed_at < now() - kept and waits_for is null
        order by id limit step for update skip locked
    ), deleted as (
        delete from dispatcher.delivery_other where id in (select id from old) returning true
    )
    select count(*) from deleted
$$;

-- What has to become of waiting deliveries although nobody claims them: those of ended broadcasts end, those of
-- paused ones are parked, those that nothing parks any more become due. A claim that saw a pause may commit after
-- the resume, so this is never done once for all. Returns how many were touched, at most `most` of each kind.
create function dispatcher.requeue_waiting(sender text, counter_slot integer, most integer)
returns integer language plpgsql as $$
declare
    causes constant dispatcher.wait_cause[] := enum_range(null::dispatcher.wait_cause);
    allowed record;
    touched integer;
    total integer;
begin
    -- A failure that may pass, reported while the broadcast was being finished: it goes on.
    update dispatcher.broadcast b set finished_at = null
    where b.finished_at > clock_timestamp() - interval '1 hour' and (
        select sum(n.deliveries) from dispatcher.broadcast_count n
        where n.broadcast = b.id and n.state in ('waiting', 'claimed')) > 0;

    with unfinished as (
        select b.id, case when x.broadcast is not null then 'cancelled' when b.expires_at <= clock_timestamp()
                then 'expired' end::dispatcher.delivery_state as ended,
            case when b.paused_reason is not null then 'resume' when h.template is not null
                then 'template' end::dispatcher.wait_cause as stopped,
            dispatcher.opening(b.opens, b.closes, b.zone, clock_timestamp()) as opening
        from dispatcher.broadcast b left join dispatcher.cancellation x on x.broadcast = b.id
            left join dispatcher.template_pause h using (template)
        where b.finished_at is null
    ), doomed as (
        select d.id, u.ended as state, null::timestamptz as due_at, null::dispatcher.wait_cause as waits_for
        from unfinished u join dispatcher.delivery d on d.source = u.id and d.waits_for is not null
        where u.ended is not null and d.subscriber is not null
        limit most for update of d skip locked
    ), parked as (
        select d.id, d.state, null::timestamptz, u.stopped
        from unfinished u join dispatcher.delivery d
            on d.source = u.id and d.waits_for = any(causes) and d.due_at is not null
        where u.ended is null and u.stopped is not null and d.subscriber is not null
        limit most for update of d skip locked
    ), postponed as (
        select d.id, d.state, u.opening, 'hours'::dispatcher.wait_cause
        from unfinished u join dispatcher.delivery d
            on d.source = u.id and d.waits_for = any(causes) and d.due_at <= clock_timestamp()
        where u.ended is null and u.stopped is null and u.opening > clock_timestamp() and d.subscriber is not null
        limit most for update of d skip locked
    ), woken as (
        select d.id, d.state, clock_timestamp(), 'rate'::dispatcher.wait_cause
        from unfinished u join dispatcher.delivery d
            on d.source = u.id and d.waits_for in ('resume', 'template') and d.due_at is null
        where u.ended is null and u.stopped is null and d.subscriber is not null
        limit most for update of d skip locked
    ), changed as (
        update dispatcher.delivery d set state = c.state, due_at = c.due_at, waits_for = c.waits_for
        from (select * from doomed union all select * from parked union all select * from postponed
            union all select * from woken) c
        where d.id = c.id
        returning d.source, d.state
    )
    select dispatcher.count_changes(counter_slot, array_agg(source), array_agg('waiting'::dispatcher.delivery_state),
        array_agg(state)) into total from changed;

    for allowed in
        select v.* from dispatcher.allowance(sender) a,
            lateral (values ('people'::dispatcher.wait_cause, a.people), ('budget', a.messages)) as v (cause, room)
    loop
        -- Without room, what is due and needs some is parked, not claimed in vain again and again.
        if allowed.room <= 0 then
            with next as (
                select d.id, d.claim, d.subscriber from dispatcher.delivery d
                where d.lane in ('urgent', 'bulk') and d.due_at <= clock_timestamp() and d.subscriber is not null
                order by d.due_at limit most for update skip locked
            ), chosen as (
                select n.id from next n
                where case allowed.cause when 'budget' then n.claim = 0 else not exists (
                    select from dispatcher.reached r where r.subscriber = n.subscriber
                        and r.minute > clock_timestamp() - interval '24 hours 1 minute') end
            )
            update dispatcher.delivery d set due_at = null, waits_for = allowed.cause from chosen
            where d.id = chosen.id;
        -- As many as there is room for become due, and not one more: the others would have to be parked again.
        else
            with chosen as (
                select d.id from dispatcher.delivery d
                where d.waits_for = allowed.cause and d.due_at is null
                order by d.lane, d.id
                limit greatest(0, least(most, allowed.room) - (select count(*) from dispatcher.delivery w
                    where w.waits_for = allowed.cause and w.due_at is not null))
                for update skip locked
            )
            update dispatcher.delivery d set due_at = clock_timestamp() from chosen where d.id = chosen.id;
        end if;
        get diagnostics touched = row_count;
        total := total + touched;
    end loop;

    return total;
end
$$;

-- The twin of delivery_id in shared/contracts/ids.py, compared by a test.
create function dispatcher.delivery_id(source uuid, subscriber uuid) returns uuid
language sql immutable parallel safe as $$
    with hashed as (
        select ('x' || encode(substring(
            sha256('\x00000010'::bytea || uuid_send(source) || '\x00000010'::bytea || uuid_send(subscriber))
            from 1 for 10), 'hex'))::bit(80) as bits
    ), composed as (
        select left(replace(source::text, '-', ''), 12) as milliseconds,
            B'1000' || substring(bits from 7 for 12) as version,
            B'10' || substring(bits from 19 for 62) as variant
        from hashed
    )
    select (milliseconds || lpad(to_hex(version::bit(16)::integer), 4, '0')
        || lpad(to_hex(variant::bit(64)::bigint), 16, '0'))::uuid
    from composed
$$;

-- Whether nobody can get a broadcast any more who has not got it, as of now. A claim that did not yet see the end
-- commits within moments.
create function dispatcher.is_over(target uuid) returns boolean language sql stable as $$
    with counts as (
        select coalesce(sum(n.deliveries), 0) as known,
            coalesce(sum(n.deliveries) filter (where n.state in ('waiting', 'claimed')), 0) as open
        from dispatcher.broadcast_count n where n.broadcast = target
    )
    select c.open = 0 and (
        exists (
            select from dispatcher.cancellation x
            where x.broadcast = target and x.cancelled_at < clock_timestamp() - interval '2 seconds'
        ) or exists (
            select from dispatcher.broadcast b
            where b.id = target
                and (b.audience = c.known or b.expires_at < clock_timestamp() - interval '2 seconds')
        ))
    from counts c
$$;

-- All deliveries to a person that still have an address.
create function dispatcher.deliveries_to(people uuid[], indexes bytea[]) returns setof uuid language sql stable as $$
    select d.id from dispatcher.delivery d
    where d.subscriber is null and d.address_index <> '' and d.address_index = any(indexes)
    union all
    select d.id
    from dispatcher.broadcast b cross join unnest(people) as person
        join dispatcher.delivery d on d.id = dispatcher.delivery_id(b.id, person)
    where d.address_index <> ''
$$;

-- How it is with a broadcast. An expired one may still have unknown outcomes.
create function dispatcher.standing(target uuid) returns text language sql stable as $$
    select coalesce((
        select case
            when exists (select from dispatcher.cancellation x where x.broadcast = b.id) then 'cancelled'
            when b.finished_at is not null then 'finished'
            when b.expires_at <= clock_timestamp() then 'expired'
            when b.paused_reason is not null then 'paused'
            when exists (select from dispatcher.template_pause h where h.template = b.template) then 'held'
            else 'running' end
        from dispatcher.broadcast b where b.id = target
    ), 'missing')
$$;

-- Each answers with the standing before; what does not fit that is not done.
create function dispatcher.pause_broadcast(target uuid, why text) returns text language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with before as materialized (select dispatcher.standing(target)), paused as (
        update dispatcher.broadcast set paused_reason = why from before
        where id = target and standing in ('running', 'held', 'paused')
    )
    select standing from before
$$;

create function dispatcher.resume_broadcast(target uuid) returns text language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with before as materialized (select dispatcher.standing(target)), resumed as (
        update dispatcher.broadcast set paused_reason = null from before where id = target and standing = 'paused'
    )
    select standing from before
$$;

create function dispatcher.cancel_broadcast(target uuid, why text) returns text language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with before as materialized (select dispatcher.standing(target)), cancelled as (
        insert into dispatcher.cancellation (broadcast, reason)
        select target, why from before where standing in ('running', 'held', 'paused') on conflict do nothing
    )
    select standing from before
$$;

-- Failed deliveries, and unknown ones if asked for, wait again and are due at once. What has failed begins with its
-- first attempt; what is unknown gets the next, so that a late result of the last is recognised as such.
create function dispatcher.resend_missing(target uuid, unknown_too boolean)
returns table (standing text, failed integer, unknown integer) language plpgsql
security definer set search_path = pg_catalog, dispatcher as $$
#variable_conflict use_column
declare
    before text := dispatcher.standing(target);
    failed_again integer := 0;
    all_again integer := 0;
begin
    if before in ('running', 'held', 'paused') or before = 'finished'
        and (select b.expires_at > clock_timestamp() from dispatcher.broadcast b where b.id = target)
    then
        with chosen as (
            select d.id, d.state as old_state from dispatcher.delivery d
            where d.id between dispatcher.first_id(target) and dispatcher.last_id(target)
                and d.source = target and d.subscriber is not null
                and (d.state = 'failed' or unknown_too and d.state = 'unknown')
            order by d.id for update
        ), changed as (
            update dispatcher.delivery d
            set state = 'waiting', due_at = clock_timestamp(), waits_for = 'rate', unknown_at = null, error_code = null,
                message_key = null,
                attempt = case when old_state = 'failed' then 1 else d.attempt + 1 end,
                resends = d.resends + (old_state = 'unknown')::int
            from chosen where d.id = chosen.id
            returning old_state
        )
        select count(*) filter (where old_state = 'failed'), dispatcher.count_changes(
            32, array_agg(target), array_agg(old_state), array_agg('waiting'::dispatcher.delivery_state))
        into failed_again, all_again from changed;
        update dispatcher.broadcast b set finished_at = null where b.id = target and all_again > 0;
    end if;
    return query select before, failed_again, all_again - failed_again;
end
$$;

-- Ends unknown outcomes by a person's verdict: accepted, failed or resend. One delivery, or all of a broadcast.
create function dispatcher.settle_unknown(delivery uuid, broadcast uuid, verdict text) returns integer
language plpgsql security definer set search_path = pg_catalog, dispatcher as $$
#variable_conflict use_column
declare
    settled integer;
    goal dispatcher.delivery_state := case verdict when 'resend' then 'waiting' when 'failed' then 'failed'
        when 'accepted' then 'accepted' end;
begin
    if goal is null then
        raise invalid_parameter_value using message = 'verdict must be accepted, failed or resend';
    end if;
    with chosen as (
        select d.id from dispatcher.delivery d
        where d.unknown_at is not null and d.state = 'unknown'
            and (d.id = settle_unknown.delivery or d.source = settle_unknown.broadcast and d.subscriber is not null)
            and (goal <> 'waiting' or d.expires_at > clock_timestamp() and not exists (
                select from dispatcher.cancellation x where x.broadcast = d.source))
        order by d.id for update
    ), changed as (
        update dispatcher.delivery d
        set state = goal, unknown_at = null,
            due_at = case when goal = 'waiting' then clock_timestamp() end,
            waits_for = case when goal = 'waiting' then 'rate'::dispatcher.wait_cause end,
            attempt = d.attempt + (goal = 'waiting')::int, resends = d.resends + (goal = 'waiting')::int,
            content = case when goal = 'waiting' then d.content end
        from chosen where d.id = chosen.id
        returning case when d.subscriber is not null then d.source end as source
    )
    select dispatcher.count_changes(32, array_agg(source), array_agg('unknown'::dispatcher.delivery_state),
        array_agg(goal)) into settled from changed;
    return settled;
end
$$;

-- A sender's rate, or that of all senders; returns how many they are.
create function dispatcher.pause_sending(why text, sender text) returns integer language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with held as (
        update dispatcher.rate r
        set paused_reason = why, paused_by_operator = true, probe_at = clock_timestamp() + interval '100 years'
        where sender is null or r.number = sender returning 1
    )
    select count(*)::integer from held
$$;

create function dispatcher.resume_sending(sender text) returns integer language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with released as (
        update dispatcher.rate r set paused_reason = null, paused_by_operator = false, probe_at = '-infinity'
        where (sender is null or r.number = sender) and r.paused_reason is not null returning 1
    )
    select count(*)::integer from released
$$;

create function dispatcher.resume_template(name text) returns boolean language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with released as (delete from dispatcher.template_pause h where h.template = name returning 1)
    select exists (select from released)
$$;

select dispatcher.ensure_partitions();

revoke all on function dispatcher.ensure_partitions(), dispatcher.drop_old_partitions(integer),
    dispatcher.delete_old_strays(interval, integer), dispatcher.pause_broadcast, dispatcher.resume_broadcast,
    dispatcher.cancel_broadcast, dispatcher.resend_missing, dispatcher.settle_unknown, dispatcher.pause_sending,
    dispatcher.resume_sending, dispatcher.resume_template from public;
grant usage on schema dispatcher
    to kreisfunk_dispatcher, kreisfunk_monitor, kreisfunk_operator, kreisfunk_rotation;

grant execute on function dispatcher.ensure_partitions(), dispatcher.drop_old_partitions(integer),
    dispatcher.delete_old_strays(interval, integer) to kreisfunk_dispatcher;
grant select, insert, update on dispatcher.broadcast, dispatcher.broadcast_count, dispatcher.cancellation,
    dispatcher.suppression, dispatcher.delivery, dispatcher.rate, dispatcher.reached, dispatcher.reached_minute,
    dispatcher.sent_month, dispatcher.refusal, dispatcher.account_update, dispatcher.follow_up, dispatcher.template_pause,
    dispatcher.erasure, dispatcher.unreachable to kreisfunk_dispatcher;
grant select, insert on dispatcher.status_stream to kreisfunk_dispatcher;
grant delete on dispatcher.reached, dispatcher.reached_minute, dispatcher.refusal, dispatcher.suppression,
    dispatcher.template_pause, dispatcher.erasure, dispatcher.status_stream, dispatcher.unreachable
    to kreisfunk_dispatcher;
grant select on dispatcher.schema_migrations, dispatcher.schema_checksums to kreisfunk_dispatcher;

grant select on dispatcher.broadcast, dispatcher.broadcast_count, dispatcher.cancellation, dispatcher.rate,
    dispatcher.suppression, dispatcher.template_pause, dispatcher.reached_minute, dispatcher.sent_month,
    dispatcher.follow_up, dispatcher.unreachable to kreisfunk_monitor, kreisfunk_operator;
-- Everything but addresses and contents.
grant select (id, source, subscriber, sequence, lane, state, asked_at, expires_at, attempt, claim, resends, claimed_at,
    answer_by, unknown_at, due_at, waits_for, error_code) on dispatcher.delivery
    to kreisfunk_monitor, kreisfunk_operator;
grant select (id, asked_at, tried_at) on dispatcher.erasure to kreisfunk_monitor;

-- What an operator may do is these functions, which run with their owner's rights, and nothing else: so nobody
-- can change a delivery without its counters. Their counters have a slot of their own, 32.
grant execute on function dispatcher.pause_broadcast, dispatcher.resume_broadcast, dispatcher.cancel_broadcast,
    dispatcher.resend_missing, dispatcher.settle_unknown, dispatcher.pause_sending, dispatcher.resume_sending,
    dispatcher.resume_template to kreisfunk_operator;

grant select (id, address_kind, address_index, address_sealed), update (address_index, address_sealed)
    on dispatcher.delivery to kreisfunk_rotation;
grant select (id, indexes, user_index, user_sealed), update (indexes, user_index, user_sealed)
    on dispatcher.erasure to kreisfunk_rotation;

-- migrate:down
drop schema dispatcher cascade;
