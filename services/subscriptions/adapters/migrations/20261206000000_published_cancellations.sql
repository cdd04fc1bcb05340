-- migrate:up
-- Who follows a notice learns from the event alone that its broadcast has ended, if no page of it reached the dispatcher.
alter table subscriptions.broadcast add column cancellation_due boolean not null default false;
comment on column subscriptions.broadcast.cancellation_due is
  'whether an operator cancelled the expansion and the event about it is still to be published';
create index broadcast_cancellation_due on subscriptions.broadcast (id) where cancellation_due;

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
    update subscriptions.broadcast set state = 'cancelled', reason = why, position = default, cancellation_due = true,
      read_to_end = read_to_end and not exists (select from dropped)
    where id = target;
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
drop index subscriptions.broadcast_cancellation_due;
alter table subscriptions.broadcast drop column cancellation_due;
