-- migrate:up
-- The row that a merged one continues in may have no proof of its own for what the person gets: the proofs of both stay
-- while the person is subscribed. A merged row is deleted with the row that it was merged into.
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
        select from subscriptions.subscriber s where s.id = c.subscriber_id and s.state = 'subscribed')
    order by recorded_at limit step)
  delete from subscriptions.consent where id in (select id from old);
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;
