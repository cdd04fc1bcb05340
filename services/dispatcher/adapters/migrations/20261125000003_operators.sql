-- migrate:up
-- A hold by a person is not tried: only a person ends it.
alter table dispatcher.rate add column held_by_hand boolean not null default false;

drop index dispatcher.delivery_parked;
create index delivery_waiting on dispatcher.delivery (source, due_at) where state = 'waiting';
create index delivery_failed on dispatcher.delivery (source, error_code) where state = 'failed';

-- What has to become of waiting deliveries although nobody claims them: those of ended broadcasts end, those of
-- paused ones are parked, those that nothing parks any more are woken. A claim that saw a pause may commit after
-- the resume, so waking is never done once for all. Returns how many were touched, at most `most` of each kind.
create function dispatcher.tidy(counter_slot integer, most integer) returns integer language plpgsql as $$
declare
    ended integer;
    parked integer;
    woken integer;
begin
    with over as (
        select b.id, case when x.broadcast is null then 'expired' else 'cancelled' end::dispatcher.delivery_state as state
        from dispatcher.broadcast b left join dispatcher.cancellation x on x.broadcast = b.id
        where b.finished_at is null and (x.broadcast is not null or b.expires_at <= clock_timestamp())
    ), doomed as (
        select d.id, o.state as new_state
        from over o join dispatcher.delivery d on d.source = o.id and d.state = 'waiting'
        where d.subscriber is not null
        limit most for update of d skip locked
    ), changed as (
        update dispatcher.delivery d set state = new_state, due_at = null, waits_for = null
        from doomed where d.id = doomed.id
        returning d.source, d.state
    ), counted as (
        insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
        select source, state, counter_slot, sum(deliveries) from (
            select source, 'waiting'::dispatcher.delivery_state as state, -1 as deliveries from changed
            union all select source, state, 1 from changed
        ) as moved group by source, state order by source, state
        on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
    )
    select count(*) into ended from changed;

    with stopped as (
        select b.id, case when b.paused_reason is null then 'template' else 'resume' end as cause
        from dispatcher.broadcast b left join dispatcher.template_hold h using (template)
        where b.finished_at is null and (b.paused_reason is not null or h.template is not null)
    ), chosen as (
        select d.id, s.cause
        from stopped s join dispatcher.delivery d on d.source = s.id and d.state = 'waiting' and d.due_at < 'infinity'
        where d.subscriber is not null
        limit most for update of d skip locked
    )
    update dispatcher.delivery d set due_at = 'infinity', waits_for = cause from chosen where d.id = chosen.id;
    get diagnostics parked = row_count;

    with running as (
        select b.id from dispatcher.broadcast b left join dispatcher.template_hold h using (template)
        where b.finished_at is null and b.paused_reason is null and h.template is null
    ), chosen as (
        select d.id
        from running r join dispatcher.delivery d on d.source = r.id and d.state = 'waiting' and d.due_at = 'infinity'
        where d.subscriber is not null
        limit most for update of d skip locked
    )
    update dispatcher.delivery d set due_at = clock_timestamp(), waits_for = null from chosen where d.id = chosen.id;
    get diagnostics woken = row_count;

    return ended + parked + woken;
end
$$;

-- What an operator may do is these functions, which run with their owner's rights, and nothing else: so nobody
-- can change a delivery without its counters. Their counters have a slot of their own, 32.
revoke update on dispatcher.broadcast, dispatcher.rate, dispatcher.delivery from kreisfunk_operator;
revoke update (paused_reason) on dispatcher.broadcast from kreisfunk_operator;
revoke update (held_reason, probe_at) on dispatcher.rate from kreisfunk_operator;
revoke update (state, due_at, waits_for, unknown_at, attempt, resends, error_code) on dispatcher.delivery
    from kreisfunk_operator;
revoke insert, update, delete on dispatcher.cancellation, dispatcher.template_hold, dispatcher.broadcast_count
    from kreisfunk_operator;

-- How it is with a broadcast. An expired one may still have unknown outcomes.
create function dispatcher.standing(target uuid) returns text language sql stable as $$
    select coalesce((
        select case
            when exists (select from dispatcher.cancellation x where x.broadcast = b.id) then 'cancelled'
            when b.finished_at is not null then 'finished'
            when b.expires_at <= clock_timestamp() then 'expired'
            when b.paused_reason is not null then 'paused'
            when exists (select from dispatcher.template_hold h where h.template = b.template) then 'held'
            else 'running' end
        from dispatcher.broadcast b where b.id = target
    ), 'missing')
$$;

-- Each answers with the standing before; what does not fit that is not done.
create function dispatcher.pause_broadcast(target uuid, why text) returns text language plpgsql
security definer set search_path = pg_catalog, dispatcher as $$
declare
    before text := dispatcher.standing(target);
begin
    if before in ('running', 'held', 'paused') then
        update dispatcher.broadcast set paused_reason = why where id = target;
    end if;
    return before;
end
$$;

create function dispatcher.resume_broadcast(target uuid) returns text language plpgsql
security definer set search_path = pg_catalog, dispatcher as $$
declare
    before text := dispatcher.standing(target);
begin
    if before = 'paused' then
        update dispatcher.broadcast set paused_reason = null where id = target;
    end if;
    return before;
end
$$;

create function dispatcher.cancel_broadcast(target uuid, why text) returns text language plpgsql
security definer set search_path = pg_catalog, dispatcher as $$
declare
    before text := dispatcher.standing(target);
begin
    if before in ('running', 'held', 'paused') then
        insert into dispatcher.cancellation (broadcast, reason) values (target, why) on conflict do nothing;
    end if;
    return before;
end
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
    unknown_again integer := 0;
begin
    if before in ('running', 'held', 'paused') or before = 'finished'
        and (select b.expires_at > clock_timestamp() from dispatcher.broadcast b where b.id = target)
    then
        with chosen as (
            select d.id, d.state as old_state from dispatcher.delivery d
            where d.source = target and d.subscriber is not null
                and (d.state = 'failed' or unknown_too and d.state = 'unknown')
            order by d.id for update
        ), changed as (
            update dispatcher.delivery d
            set state = 'waiting', due_at = clock_timestamp(), waits_for = null, unknown_at = null, error_code = null,
                message_key = null,
                attempt = case when old_state = 'failed' then 1 else d.attempt + 1 end
            from chosen where d.id = chosen.id
            returning old_state
        ), counted as (
            insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
            select target, state, 32, sum(deliveries) from (
                select old_state as state, -1 as deliveries from changed
                union all select 'waiting', 1 from changed
            ) as moved group by state order by state
            on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
        )
        select count(*) filter (where old_state = 'failed'), count(*) filter (where old_state = 'unknown')
        into failed_again, unknown_again from changed;
        update dispatcher.broadcast b set finished_at = null where b.id = target and failed_again + unknown_again > 0;
    end if;
    return query select before, failed_again, unknown_again;
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
        where d.state = 'unknown'
            and (d.id = settle_unknown.delivery or d.source = settle_unknown.broadcast and d.subscriber is not null)
            and (goal <> 'waiting' or d.expires_at > clock_timestamp() and not exists (
                select from dispatcher.cancellation x where x.broadcast = d.source))
        order by d.id for update
    ), changed as (
        update dispatcher.delivery d
        set state = goal, unknown_at = null,
            due_at = case when goal = 'waiting' then clock_timestamp() end,
            attempt = case when goal = 'waiting' then d.attempt + 1 else d.attempt end,
            content = case when goal = 'waiting' then d.content end
        from chosen where d.id = chosen.id
        returning d.source, d.subscriber
    ), counted as (
        insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
        select source, state, 32, sum(deliveries) from (
            select source, 'unknown'::dispatcher.delivery_state as state, -1 as deliveries
            from changed where subscriber is not null
            union all select source, goal, 1 from changed where subscriber is not null
        ) as moved group by source, state order by source, state
        on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries
    )
    select count(*) into settled from changed;
    return settled;
end
$$;

-- A sender's rate, or that of all senders; returns how many they are.
create function dispatcher.hold_sender(why text, sender text) returns integer language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with held as (
        update dispatcher.rate r
        set held_reason = why, held_by_hand = true, probe_at = clock_timestamp() + interval '100 years'
        where sender is null or r.number = sender returning 1
    )
    select count(*)::integer from held
$$;

create function dispatcher.release_sender(sender text) returns integer language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with released as (
        update dispatcher.rate r set held_reason = null, held_by_hand = false, probe_at = '-infinity'
        where (sender is null or r.number = sender) and r.held_reason is not null returning 1
    )
    select count(*)::integer from released
$$;

create function dispatcher.release_template(name text) returns boolean language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with released as (delete from dispatcher.template_hold h where h.template = name returning 1)
    select exists (select from released)
$$;

revoke all on function dispatcher.pause_broadcast, dispatcher.resume_broadcast, dispatcher.cancel_broadcast,
    dispatcher.resend_missing, dispatcher.settle_unknown, dispatcher.hold_sender, dispatcher.release_sender,
    dispatcher.release_template from public;
grant execute on function dispatcher.pause_broadcast, dispatcher.resume_broadcast, dispatcher.cancel_broadcast,
    dispatcher.resend_missing, dispatcher.settle_unknown, dispatcher.hold_sender, dispatcher.release_sender,
    dispatcher.release_template to kreisfunk_operator;

-- migrate:down
drop function dispatcher.pause_broadcast, dispatcher.resume_broadcast, dispatcher.cancel_broadcast,
    dispatcher.resend_missing, dispatcher.settle_unknown, dispatcher.hold_sender, dispatcher.release_sender,
    dispatcher.release_template, dispatcher.standing, dispatcher.tidy;
