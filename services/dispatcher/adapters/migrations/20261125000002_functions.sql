-- migrate:up

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

-- The next moment at or after `moment` when a broadcast may be sent, by the wall clock of `zone`; the twin of
-- domain/hours.py, compared by a test.
create function dispatcher.opening(opens time, closes time, zone text, moment timestamptz)
returns timestamptz language sql stable parallel safe as $$
    select case
        when opens is null then moment
        when (moment at time zone zone)::time < opens then ((moment at time zone zone)::date + opens) at time zone zone
        when (moment at time zone zone)::time >= closes
        then ((moment at time zone zone)::date + 1 + opens) at time zone zone
        else moment end
$$;

-- Whether a recipient may be sent to now, and if it has to wait, until when and for what. `ordinal` is the
-- recipient's number in the broadcast, null for one that has had its turn.
create function dispatcher.judge(b dispatcher.broadcast, person uuid, consent integer, ordinal integer)
returns table (state dispatcher.delivery_state, due_at timestamptz, waits_for text)
language sql stable as $$
    with clock as (
        select clock_timestamp() as now
    ), moment as (
        select now, dispatcher.opening(b.opens, b.closes, b.zone, now) as opens,
            b.published_at + b.spacing * ordinal as turn,
            exists (select from dispatcher.template_hold h where h.template = b.template) as held
        from clock
    )
    select case
            when exists (select from dispatcher.cancellation x where x.broadcast = b.id) then 'cancelled'
            when b.expires_at <= now then 'expired'
            when exists (
                select from dispatcher.suppression s
                where s.subscriber = person and s.topic in ('', b.topic) and s.sequence >= consent
            ) then 'suppressed'
            when b.paused_reason is not null or held or opens > now or turn > now then 'waiting'
            else 'claimed' end::dispatcher.delivery_state,
        case when b.paused_reason is not null or held then 'infinity'::timestamptz
            else greatest(opens, turn) end,
        case when b.paused_reason is not null then 'resume' when held then 'template'
            when turn > now then 'spread' when opens > now then 'hours' end
    from moment
$$;

-- By how many seconds slots planned from `begins` until `ends` have to be used later, since slots a second before them
-- were used late; the twin of domain/pacing.py, compared by a test.
create function dispatcher.shift(
    late_uses dispatcher.late_use[], begins double precision, ends double precision
) returns double precision language sql immutable parallel safe as $$
    select coalesce(max(u.late), 0.003) - 0.003 from unnest(late_uses) u
    where u.late > 0.003 and u.starts <= shift.ends - 1 and u.ends >= shift.begins - 1 - u.late
$$;

-- Slots of the shared rate (GCRA): moves `next_at` on and says when the first of them is planned, and by how much all of
-- them have to be used later. Where that is more than 0.25 s, the plan moves instead. The clock is the server's, in
-- seconds since 1970; `clock` is what it showed. Idle time earns nothing. Whoever was slowed down by Meta recovers
-- by a fiftieth of the ceiling a second. A sender that is held gets one slot in a while, to see whether the cause is
-- gone, and else none until `planned`.
create function dispatcher.reserve(sender text, wanted integer)
returns table (
    slots integer, planned double precision, shift double precision, clock double precision,
    spacing_seconds double precision, rate_per_second double precision, held_reason text
) language plpgsql as $$
declare
    row_then dispatcher.rate;
begin
    select * into strict row_then from dispatcher.rate r where r.number = sender for update;
    rate_per_second := least(row_then.ceiling, row_then.per_second
        + row_then.ceiling / 50 * greatest(0, extract(epoch from clock_timestamp() - row_then.changed_at)));
    spacing_seconds := 1 / rate_per_second;
    held_reason := row_then.held_reason;
    slots := case when held_reason is null then wanted when row_then.probe_at <= clock_timestamp() then 1 else 0 end;
    planned := extract(epoch from greatest(row_then.next_at, clock_timestamp()));
    shift := dispatcher.shift(row_then.late_uses, planned, planned + slots * spacing_seconds);
    if shift > 0.25 then
        planned := planned + shift;
        shift := 0;
    end if;
    update dispatcher.rate r
    set next_at = to_timestamp(planned + slots * spacing_seconds),
        per_second = rate_per_second,
        changed_at = greatest(r.changed_at, clock_timestamp()),
        probe_at = case when slots > 0 and r.held_reason is not null then clock_timestamp() + interval '30 seconds'
            else r.probe_at end
    where r.number = sender;
    if slots = 0 then
        planned := extract(epoch from row_then.probe_at);
    end if;
    clock := extract(epoch from clock_timestamp());
    return next;
end
$$;

-- A slot was used too late: those a second after it will be later too, or a second would hold too many.
create function dispatcher.used_late(
    sender text, starts double precision, ends double precision, late double precision
) returns void language sql as $$
    update dispatcher.rate r set late_uses = array(
        select u from unnest(r.late_uses) u where u.ends > extract(epoch from clock_timestamp()) - 2
    ) || row(starts, ends, late)::dispatcher.late_use
    where r.number = sender
$$;

-- Everybody pauses, and sends more slowly afterwards: by `factor`, at most once in a second, whoever reports it.
create function dispatcher.slow_down(sender text, factor double precision, pause double precision)
returns void language sql as $$
    update dispatcher.rate r
    set per_second = case
            when r.slowed_at < clock_timestamp() - interval '1 second'
            then greatest(r.ceiling / 20, r.per_second * factor) else r.per_second end,
        slowed_at = case
            when r.slowed_at < clock_timestamp() - interval '1 second' then clock_timestamp() else r.slowed_at end,
        changed_at = clock_timestamp(),
        next_at = greatest(r.next_at, clock_timestamp() + make_interval(secs => pause))
    where r.number = sender
$$;

create function dispatcher.this_month() returns date language sql stable as $$
    select date_trunc('month', clock_timestamp() at time zone 'Europe/Berlin')::date
$$;

-- How many more different people, and messages, may be reached now; null means any number. The caller holds
-- the number's row, so that claims that count are made one after the other.
create function dispatcher.allowance(sender text)
returns table (people integer, messages integer) language sql stable as $$
    select r.people_a_day - (
            select coalesce(sum(m.people), 0) from dispatcher.reached_minute m
            where m.minute > clock_timestamp() - interval '24 hours 1 minute')::integer,
        r.messages_a_month - coalesce((
            select s.messages from dispatcher.sent_month s where s.month = dispatcher.this_month()), 0)
    from dispatcher.rate r where r.number = sender
$$;

-- Weekly partitions around now, made by their owner on behalf of a role that may not create anything.
create function dispatcher.ensure_partitions() returns void
language plpgsql security definer
set search_path = pg_catalog, dispatcher set timezone = 'UTC' as $$
declare
    week timestamptz;
    name text;
begin
    perform pg_advisory_xact_lock(hashtext('dispatcher.ensure_partitions'));
    for week in select generate_series(
        date_trunc('week', now()) - interval '2 weeks',
        now() + interval '4 weeks', interval '1 week')
    loop
        name := 'delivery_' || to_char(week, 'YYYYMMDD');
        if to_regclass('dispatcher.' || name) is null then
            execute format(
                'create table dispatcher.%I partition of dispatcher.delivery for values from (%L) to (%L)',
                name, dispatcher.lowest_id(week), dispatcher.lowest_id(week + interval '1 week'));
        end if;
    end loop;
end
$$;

-- The bound below which no id made at or after `moment` can lie (see shared/contracts/ids.py).
create function dispatcher.lowest_id(moment timestamptz) returns uuid language sql immutable parallel safe as $$
    select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Retention: whole weeks that began `days` ago are dropped, so that nothing is ever older. `days` must reach
-- further back than ensure_partitions does.
create function dispatcher.drop_old_partitions(days integer) returns integer
language plpgsql security definer
set search_path = pg_catalog, dispatcher set timezone = 'UTC' as $$
declare
    week text;
    dropped integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext('dispatcher.ensure_partitions'));
    for week in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'dispatcher.delivery'::regclass and c.relname ~ '^delivery_[0-9]{8}$'
            and to_date(right(c.relname, 8), 'YYYYMMDD') + days <= now()::date
    loop
        execute format('drop table dispatcher.%I', week);
        dropped := dropped + 1;
    end loop;
    return dropped;
end
$$;

-- Retention of what lies in no week, as the clock of its message was wrong or its broadcast long planned.
create function dispatcher.delete_old_strays(kept interval, step integer) returns integer
language plpgsql security definer set search_path = pg_catalog, dispatcher as $$
declare
    deleted integer;
begin
    with old as (
        select id from dispatcher.delivery_other where claimed_at < now() - kept order by id limit step
        for update skip locked)
    delete from dispatcher.delivery_other where id in (select id from old);
    get diagnostics deleted = row_count;
    return deleted;
end
$$;

select dispatcher.ensure_partitions();

revoke all on function dispatcher.ensure_partitions(), dispatcher.drop_old_partitions(integer),
    dispatcher.delete_old_strays(interval, integer) from public;
grant usage on schema dispatcher to kreisfunk_dispatcher, kreisfunk_monitor, kreisfunk_operator;
grant execute on function dispatcher.ensure_partitions(), dispatcher.drop_old_partitions(integer),
    dispatcher.delete_old_strays(interval, integer) to kreisfunk_dispatcher;
grant select, insert, update on dispatcher.broadcast, dispatcher.broadcast_count, dispatcher.cancellation,
    dispatcher.suppression, dispatcher.delivery, dispatcher.rate, dispatcher.reached, dispatcher.reached_minute,
    dispatcher.sent_month, dispatcher.refusal, dispatcher.account_news to kreisfunk_dispatcher;
grant select, insert, update, delete on dispatcher.template_hold to kreisfunk_dispatcher;
grant select, insert, delete on dispatcher.status_stream to kreisfunk_dispatcher;
grant delete on dispatcher.reached, dispatcher.reached_minute to kreisfunk_dispatcher;
grant select on dispatcher.schema_migrations, dispatcher.schema_checksums to kreisfunk_dispatcher;

grant select on dispatcher.broadcast, dispatcher.broadcast_count, dispatcher.cancellation, dispatcher.rate,
    dispatcher.suppression, dispatcher.template_hold, dispatcher.reached_minute, dispatcher.sent_month
    to kreisfunk_monitor, kreisfunk_operator;
-- Everything but addresses and contents.
grant select (id, source, subscriber, sequence, lane, state, asked_at, expires_at, attempt, resends, resent, claimed_at,
    unknown_at, due_at, waits_for, accepted_at, error_code) on dispatcher.delivery
    to kreisfunk_monitor, kreisfunk_operator;

-- What a person may do: pause, resume, cancel, try again, settle. Nothing else, and no address to be seen.
grant update (paused_reason) on dispatcher.broadcast to kreisfunk_operator;
grant update (held_reason, probe_at) on dispatcher.rate to kreisfunk_operator;
grant update (state, due_at, waits_for, unknown_at, attempt, resends, error_code) on dispatcher.delivery
    to kreisfunk_operator;
grant insert on dispatcher.cancellation, dispatcher.template_hold to kreisfunk_operator;
grant delete on dispatcher.template_hold to kreisfunk_operator;
grant insert, update on dispatcher.broadcast_count to kreisfunk_operator;

-- migrate:down
drop function dispatcher.reserve, dispatcher.used_late, dispatcher.shift, dispatcher.slow_down, dispatcher.allowance,
    dispatcher.this_month, dispatcher.judge, dispatcher.opening, dispatcher.ensure_partitions,
    dispatcher.drop_old_partitions, dispatcher.delete_old_strays, dispatcher.lowest_id, dispatcher.advance;
