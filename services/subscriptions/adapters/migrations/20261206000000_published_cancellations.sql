-- migrate:up
-- Who follows a notice learns from the event alone that its broadcast has ended, if no page of it reached the dispatcher.
create table subscriptions.cancellation (
  broadcast_id uuid primary key references subscriptions.broadcast on delete cascade
);
comment on table subscriptions.cancellation is
  'expansions that an operator cancelled, until the event about it has been published';
comment on column subscriptions.cancellation.broadcast_id is 'cancelled broadcast';
grant select, delete on subscriptions.cancellation to kreisfunk_subscriptions;

create or replace function subscriptions.cancel_expansion(target uuid, why text) returns text
language plpgsql security definer set search_path = pg_catalog, subscriptions as $$
declare
  before text;
begin
  select b.state into before from subscriptions.broadcast b
  where b.id = target and (b.state = 'expanding' or b.state = 'expanded' and b.expires_at > clock_timestamp())
  for update;
  if before = 'expanding' then
    with dropped as (delete from subscriptions.pending_page where broadcast_id = target returning page)
    update subscriptions.broadcast set state = 'cancelled', reason = why, position = default,
      read_to_end = read_to_end and not exists (select from dropped)
    where id = target;
    insert into subscriptions.cancellation values (target);
  end if;
  return before;
end
$$;

-- migrate:down
create or replace function subscriptions.cancel_expansion(target uuid, why text) returns text
language plpgsql security definer set search_path = pg_catalog, subscriptions as $$
declare
  before text;
begin
  select b.state into before from subscriptions.broadcast b
  where b.id = target and (b.state = 'expanding' or b.state = 'expanded' and b.expires_at > clock_timestamp())
  for update;
  if before = 'expanding' then
    with dropped as (delete from subscriptions.pending_page where broadcast_id = target returning page)
    update subscriptions.broadcast set state = 'cancelled', reason = why, position = default,
      read_to_end = read_to_end and not exists (select from dropped)
    where id = target;
  end if;
  return before;
end
$$;
drop table subscriptions.cancellation;
