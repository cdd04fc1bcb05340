-- migrate:up

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
grant select, insert, update, delete on dispatcher.erasure to kreisfunk_dispatcher;
-- What retention ends.
grant delete on dispatcher.refusal, dispatcher.suppression to kreisfunk_dispatcher;
grant select (id, asked_at, tried_at) on dispatcher.erasure to kreisfunk_monitor;

-- A reply is found by whom it goes to; a broadcast's delivery by its derived id.
create index delivery_reply on dispatcher.delivery (address_index) where subscriber is null and address_index <> '';

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

-- migrate:down
drop function dispatcher.deliveries_to;
drop index dispatcher.delivery_reply;
drop table dispatcher.erasure;
