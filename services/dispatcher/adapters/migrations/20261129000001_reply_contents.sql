-- migrate:up
comment on column dispatcher.delivery.content is
    'body of a reply until it is sent or expired, at most a day longer; null for a broadcast''s delivery';

-- The text of a reply goes when it expires.
create or replace function dispatcher.end_old_waiting(kept interval, step integer) returns integer language sql as $$
    with old as (
        select d.id from dispatcher.delivery d
        where d.waits_for is not null and (
            d.claimed_at < now() - kept or d.tableoid <> 'dispatcher.delivery_other'::regclass
                and d.id < dispatcher.lowest_id(date_trunc('week', now() - kept) + interval '1 week'))
        limit step for update skip locked
    ), changed as (
        update dispatcher.delivery d set state = 'expired', due_at = null, waits_for = null, content = null
        from old where d.id = old.id
        returning case when d.subscriber is not null then d.source end as broadcast, d.state
    )
    select dispatcher.count_changes(32, array_agg(broadcast), array_agg('waiting'::dispatcher.delivery_state),
        array_agg(state)) from changed
$$;

-- A reply that is still to be sent keeps its address and text; whoever loses the address loses the text, too.
create or replace function dispatcher.erase_addresses(people uuid[], indexes bytea[]) returns integer language sql as $$
    with found as (
        select d.id, d.state from dispatcher.delivery d
        where d.id = any(array(select dispatcher.deliveries_to(people, indexes))) and d.state <> 'claimed'
            and (d.subscriber is not null or d.state not in ('waiting', 'unknown') or d.expires_at <= clock_timestamp())
        order by d.id for update
    ), changed as (
        update dispatcher.delivery d
        set address_index = '', address_sealed = '', content = null, due_at = null, waits_for = null,
            state = case when d.state = 'waiting' then 'suppressed' else d.state end
        from found f where d.id = f.id
        returning case when d.subscriber is not null then d.source end as broadcast, f.state as old_state, d.state
    )
    select dispatcher.count_changes(32, array_agg(broadcast), array_agg(old_state), array_agg(state)) from changed
$$;

-- What earlier versions left. An open reply keeps its text until the retention rule takes it.
update dispatcher.delivery set content = null
where content is not null and (address_index = '' or state not in ('waiting', 'claimed', 'unknown'));

-- migrate:down
comment on column dispatcher.delivery.content is 'body of a reply until it is sent; null for a broadcast''s delivery';
create or replace function dispatcher.end_old_waiting(kept interval, step integer) returns integer language sql as $$
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

create or replace function dispatcher.erase_addresses(people uuid[], indexes bytea[]) returns integer language sql as $$
    with found as (
        select d.id, d.state from dispatcher.delivery d
        where d.id = any(array(select dispatcher.deliveries_to(people, indexes))) and d.state <> 'claimed'
            and (d.subscriber is not null or d.state not in ('waiting', 'unknown') or d.expires_at <= clock_timestamp())
        order by d.id for update
    ), changed as (
        update dispatcher.delivery d
        set address_index = '', address_sealed = '', due_at = null, waits_for = null,
            state = case when d.state = 'waiting' then 'suppressed' else d.state end
        from found f where d.id = f.id
        returning case when d.subscriber is not null then d.source end as broadcast, f.state as old_state, d.state
    )
    select dispatcher.count_changes(32, array_agg(broadcast), array_agg(old_state), array_agg(state)) from changed
$$;
