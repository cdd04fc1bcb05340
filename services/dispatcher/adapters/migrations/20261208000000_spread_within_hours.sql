-- migrate:up
-- Returns the time at which a broadcast may be sent for `waited` seconds, counted from `moment` and by the permitted hours
-- only. A test compares it with its twin in shared/contracts/hours.py.
create function dispatcher.turn(
    opens time, closes time, zone text, moment timestamptz, waited double precision
) returns timestamptz language sql stable parallel safe as $$
    with first as (
        select o.opening, o.opening at time zone zone as local, extract(epoch from closes - opens)::float8 as day
        from (select dispatcher.opening(opens, closes, zone, moment) as opening) o
    ), counted as (
        select *, extract(epoch from local::time - opens)::float8 + waited as seconds from first
    )
    select case when opens is null or seconds < day then opening + make_interval(secs => waited)
        else (local::date + floor(seconds / day)::integer + opens
            + make_interval(secs => seconds - floor(seconds / day) * day)) at time zone zone end
    from counted
$$;

-- A spread goes on with the permitted hours: the turns of a night would be due together when it ends.
create or replace function dispatcher.judge(b dispatcher.broadcast, person uuid, consent integer, ordinal integer)
returns table (state dispatcher.delivery_state, due_at timestamptz, waits_for dispatcher.wait_cause)
language sql stable as $$
    with moment as (
        select now, dispatcher.opening(b.opens, b.closes, b.zone, now) as opens,
            case when b.spacing is not null then dispatcher.turn(b.opens, b.closes, b.zone, b.published_at,
                extract(epoch from b.spacing)::float8 * ordinal) end as turn,
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
        case when state = 'waiting' and (turn > now or b.paused_reason is null and not held)
            then greatest(opens, turn) end,
        case when state <> 'waiting' then null when turn > now then 'spread' when b.paused_reason is not null
            then 'resume' when held then 'template' else 'hours' end::dispatcher.wait_cause
    from judged
$$;

-- migrate:down
create or replace function dispatcher.judge(b dispatcher.broadcast, person uuid, consent integer, ordinal integer)
returns table (state dispatcher.delivery_state, due_at timestamptz, waits_for dispatcher.wait_cause)
language sql stable as $$
    with moment as (
        select now, dispatcher.opening(b.opens, b.closes, b.zone, now) as opens,
            case when b.spacing is not null
                then dispatcher.opening(b.opens, b.closes, b.zone, b.published_at) + b.spacing * ordinal end as turn,
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
        case when state = 'waiting' and (turn > now or b.paused_reason is null and not held)
            then greatest(opens, turn) end,
        case when state <> 'waiting' then null when turn > now then 'spread' when b.paused_reason is not null
            then 'resume' when held then 'template' else 'hours' end::dispatcher.wait_cause
    from judged
$$;
drop function dispatcher.turn;
