-- migrate:up
-- Roles belong to the server: another database may be migrated at the same moment.
do $$
begin
    create role kreisfunk_newsroom nologin;
exception when duplicate_object or unique_violation then null;
end
$$;

-- Failures by code. A status without an error changes no entry, so it stays a HOT update.
create index delivery_error on dispatcher.delivery (source, error_code) where error_code is not null;

-- What follows is all that the newsroom sees of the ledger: sums and reasons, no row about a person (decision 0036).

-- Returns the broadcasts that do not go on: cancelled, or paused themselves, by their template, or as all sending is.
create function dispatcher.list_stops() returns table (broadcast uuid, cause text, reason text) language sql stable
security definer set search_path = pg_catalog, dispatcher as $$
    select b.id,
        case when x.broadcast is not null then 'cancelled' when b.paused_reason is not null then 'broadcast'
            when h.template is not null then 'template' else 'sending' end,
        coalesce(x.reason, b.paused_reason, h.reason, r.reason)
    from dispatcher.broadcast b left join dispatcher.template_pause h using (template)
        left join dispatcher.cancellation x on x.broadcast = b.id
        cross join (
            select case when bool_and(paused_reason is not null) then min(paused_reason) end as reason
            from dispatcher.rate
        ) r
    where b.finished_at is null and (x.broadcast is not null
        or b.expires_at > clock_timestamp() and coalesce(b.paused_reason, h.reason, r.reason) is not null)
$$;

-- Returns the limits of each sending number, and what of them is used now. `unreachable_since` is for how long a
-- replica gets no answer from Meta; replicas say it anew every second.
create function dispatcher.read_limits()
returns table (
    number text, ceiling double precision, permitted double precision, paused_reason text, paused_by_operator boolean,
    pause_seconds double precision, probe_seconds double precision, people_a_day integer, people integer,
    messages_a_month integer, messages integer, unreachable_since timestamptz
) language sql stable security definer set search_path = pg_catalog, dispatcher as $$
    select r.number, r.ceiling,
        least(r.ceiling, r.per_second + r.ceiling / 50 * greatest(0, extract(epoch from c.now - r.changed_at)))::float8,
        r.paused_reason, r.paused_by_operator, extract(epoch from greatest(r.next_at, c.now) - c.now)::float8,
        extract(epoch from greatest(r.probe_at, c.now) - c.now)::float8, r.people_a_day,
        (select coalesce(sum(m.people), 0)::int from dispatcher.reached_minute m
            where m.minute > c.now - interval '24 hours 1 minute'),
        r.messages_a_month,
        coalesce((select s.messages from dispatcher.sent_month s where s.month = dispatcher.this_month()), 0),
        (select min(u.since) from dispatcher.unreachable u
            where u.number = r.number and u.said_at > c.now - interval '10 seconds')
    from dispatcher.rate r, (select clock_timestamp() as now) c order by r.number
$$;

create function dispatcher.count_waiting()
returns table (lane text, cause text, deliveries integer, due_at timestamptz) language sql stable
security definer set search_path = pg_catalog, dispatcher as $$
    select d.lane::text, d.waits_for::text, count(*)::int, min(d.due_at)
    from dispatcher.delivery d where d.waits_for is not null group by d.lane, d.waits_for order by d.lane, 3 desc
$$;

-- Returns the paused templates, and how many broadcasts wait for each.
create function dispatcher.list_template_pauses()
returns table (template text, reason text, paused_at timestamptz, broadcasts integer) language sql stable
security definer set search_path = pg_catalog, dispatcher as $$
    select h.template, h.reason, h.paused_at, (
        select count(*)::int from dispatcher.broadcast b where b.template = h.template and b.finished_at is null)
    from dispatcher.template_pause h order by h.template
$$;

revoke all on function dispatcher.list_stops(), dispatcher.read_limits(), dispatcher.count_waiting(),
    dispatcher.list_template_pauses() from public;
grant execute on function dispatcher.read_limits(), dispatcher.count_waiting(), dispatcher.list_template_pauses()
    to kreisfunk_operator;
grant usage on schema dispatcher to kreisfunk_newsroom;
grant execute on function dispatcher.list_stops(), dispatcher.read_limits(), dispatcher.count_waiting(),
    dispatcher.list_template_pauses(), dispatcher.pause_broadcast, dispatcher.resume_broadcast,
    dispatcher.cancel_broadcast, dispatcher.resend_missing, dispatcher.pause_sending, dispatcher.resume_sending,
    dispatcher.resume_template to kreisfunk_newsroom;

-- migrate:down
revoke execute on function dispatcher.pause_broadcast, dispatcher.resume_broadcast, dispatcher.cancel_broadcast,
    dispatcher.resend_missing, dispatcher.pause_sending, dispatcher.resume_sending, dispatcher.resume_template
    from kreisfunk_newsroom;
revoke usage on schema dispatcher from kreisfunk_newsroom;
drop function dispatcher.list_stops, dispatcher.read_limits, dispatcher.count_waiting,
    dispatcher.list_template_pauses;
drop index dispatcher.delivery_error;
