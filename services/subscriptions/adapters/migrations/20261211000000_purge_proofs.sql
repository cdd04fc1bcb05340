-- migrate:up
-- The service may only append proofs; those that ended long enough ago are deleted by this function. It keeps all
-- proofs of a person who is subscribed or has a newer one. The row that a merged one continues in may have no proof of its
-- own for what the person gets: the proofs of both stay while the person is subscribed. A merged row is deleted with the
-- row that it was merged into.
create function subscriptions.purge_proofs(max_age interval, step integer) returns integer
language plpgsql security definer set search_path = pg_catalog, subscriptions as $$
declare
  purged integer;
begin
  -- Claims lapse after three years: a caller may keep proofs for longer, never for less.
  if max_age < interval '1095 days' then
    raise exception 'proofs are kept for at least 1095 days';
  end if;
  with old as (
    select id from subscriptions.consent c
    where recorded_at < now() - max_age
      and not exists (
        select from subscriptions.consent newer
        where newer.subscriber_id = c.subscriber_id and newer.recorded_at >= now() - max_age)
      and not exists (
        select from subscriptions.subscriber s where s.id = c.subscriber_id and s.state in ('subscribed', 'merged'))
    order by recorded_at limit step)
  delete from subscriptions.consent where id in (select id from old);
  get diagnostics purged = row_count;
  return purged;
end
$$;
revoke all on function subscriptions.purge_proofs(interval, integer) from public;
grant execute on function subscriptions.purge_proofs(interval, integer) to kreisfunk_subscriptions;
comment on table subscriptions.consent is
  'proof of every consent and withdrawal; append-only for the service, deleted by purge_proofs only';
-- The old name is for replicas of the version before; a later release drops it.
create or replace function subscriptions.forget_proofs(kept interval, step integer) returns integer
language sql security definer set search_path = pg_catalog, subscriptions as $$
  select subscriptions.purge_proofs(kept, step)
$$;

-- migrate:down
create or replace function subscriptions.forget_proofs(kept interval, step integer) returns integer
language plpgsql security definer set search_path = pg_catalog, subscriptions as $$
declare
  forgotten integer;
begin
  -- Claims lapse after three years: a caller may keep proofs for longer, never for less.
  if kept < interval '1095 days' then
    raise exception 'proofs are kept for at least 1095 days';
  end if;
  with old as (
    select id from subscriptions.consent c
    where recorded_at < now() - kept
      and not exists (
        select from subscriptions.consent newer
        where newer.subscriber_id = c.subscriber_id and newer.recorded_at >= now() - kept)
      and not exists (
        select from subscriptions.subscriber s where s.id = c.subscriber_id and s.state in ('subscribed', 'merged'))
    order by recorded_at limit step)
  delete from subscriptions.consent where id in (select id from old);
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;
comment on table subscriptions.consent is
  'proof of every consent and withdrawal; append-only for the service, deleted by forget_proofs only';
drop function subscriptions.purge_proofs;
