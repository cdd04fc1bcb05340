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

-- Slots of the shared rate (GCRA): moves `next_at` on and says how long the caller has to wait for the first of
-- them. The clock is the server's. Whoever was slowed down by Meta recovers by a fiftieth of the ceiling a second.
create function dispatcher.reserve(sender text, slots integer)
returns table (wait_seconds double precision, spacing_seconds double precision, rate_per_second double precision)
language sql as $$
    with recovered as (
        select r.number, least(
            r.ceiling,
            r.per_second + r.ceiling / 50 * greatest(0, extract(epoch from clock_timestamp() - r.changed_at))
        ) as per_second
        from dispatcher.rate r where r.number = sender
    )
    update dispatcher.rate r
    set next_at = greatest(r.next_at, clock_timestamp() - make_interval(secs => 1 / c.per_second))
            + make_interval(secs => slots / c.per_second),
        per_second = c.per_second,
        changed_at = greatest(r.changed_at, clock_timestamp())
    from recovered c where r.number = c.number
    returning extract(epoch from r.next_at - clock_timestamp())::float8 - slots / r.per_second,
        1 / r.per_second,
        r.per_second
$$;

-- Everybody pauses, and sends more slowly afterwards: by `factor`, at most once in a second, whoever reports it.
create function dispatcher.slow_down(sender text, factor double precision, pause double precision, why text)
returns void language sql as $$
    update dispatcher.rate r
    set per_second = case
            when r.slowed_at < clock_timestamp() - interval '1 second'
            then greatest(r.ceiling / 20, r.per_second * factor) else r.per_second end,
        slowed_at = case
            when r.slowed_at < clock_timestamp() - interval '1 second' then clock_timestamp() else r.slowed_at end,
        changed_at = clock_timestamp(),
        next_at = greatest(r.next_at, clock_timestamp() + make_interval(secs => pause)),
        reason = why
    where r.number = sender
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

select dispatcher.ensure_partitions();

revoke all on function dispatcher.ensure_partitions() from public;
grant usage on schema dispatcher to kreisfunk_dispatcher, kreisfunk_monitor;
grant execute on function dispatcher.ensure_partitions() to kreisfunk_dispatcher;
grant select, insert, update on dispatcher.broadcast, dispatcher.broadcast_count, dispatcher.cancellation,
    dispatcher.suppression, dispatcher.delivery, dispatcher.rate to kreisfunk_dispatcher;
grant select, insert, delete on dispatcher.status_stream to kreisfunk_dispatcher;
grant select on dispatcher.schema_migrations, dispatcher.schema_checksums to kreisfunk_dispatcher;
grant select on dispatcher.broadcast, dispatcher.broadcast_count, dispatcher.cancellation, dispatcher.rate
    to kreisfunk_monitor;
-- Everything but addresses and contents.
grant select (id, source, subscriber, sequence, lane, state, asked_at, expires_at, attempt, resent, claimed_at,
    unknown_at, due_at, accepted_at, error_code) on dispatcher.delivery to kreisfunk_monitor;
grant select on dispatcher.suppression to kreisfunk_monitor;

-- migrate:down
drop function dispatcher.reserve, dispatcher.slow_down, dispatcher.ensure_partitions, dispatcher.lowest_id,
    dispatcher.advance;
