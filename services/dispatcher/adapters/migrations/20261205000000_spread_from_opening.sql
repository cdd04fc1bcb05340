-- migrate:up
-- A spread begins with the permitted hours, as the estimate says: counted from a publication outside of them, all turns
-- that come before the opening would be due together at that moment.
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

-- migrate:down
create or replace function dispatcher.judge(b dispatcher.broadcast, person uuid, consent integer, ordinal integer)
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
        case when state = 'waiting' and (turn > now or b.paused_reason is null and not held)
            then greatest(opens, turn) end,
        case when state <> 'waiting' then null when turn > now then 'spread' when b.paused_reason is not null
            then 'resume' when held then 'template' else 'hours' end::dispatcher.wait_cause
    from judged
$$;
