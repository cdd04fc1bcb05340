-- migrate:up
set local lock_timeout = '5s';

-- What could not be handled, each message on its own and sealed; only the service can open it.
create table subscriptions.dead_letter (
  id uuid primary key,
  reason text not null,
  body_sealed bytea not null,
  senders bytea[] not null,
  failed_at timestamptz not null default now(),
  replay_at timestamptz
);
create index dead_letter_senders on subscriptions.dead_letter using gin (senders);
create index dead_letter_failed_at on subscriptions.dead_letter (failed_at);
create index dead_letter_replay_at on subscriptions.dead_letter (replay_at) where replay_at is not null;
comment on column subscriptions.dead_letter.replay_at is 'when an operator asked for another attempt';
grant select, insert, update (reason, replay_at), delete on subscriptions.dead_letter to kreisfunk_subscriptions;
grant select (id, reason, failed_at, replay_at) on subscriptions.dead_letter to kreisfunk_operator;

create function subscriptions.replay_dead_letters(which uuid) returns integer
language plpgsql security definer set search_path = pg_catalog, subscriptions as $$
declare
  changed integer;
begin
  update subscriptions.dead_letter set replay_at = now() where which is null or id = which;
  get diagnostics changed = row_count;
  return changed;
end
$$;
create function subscriptions.drop_dead_letters(which uuid) returns integer
language plpgsql security definer set search_path = pg_catalog, subscriptions as $$
declare
  changed integer;
begin
  delete from subscriptions.dead_letter where which is null or id = which;
  get diagnostics changed = row_count;
  return changed;
end
$$;
comment on function subscriptions.drop_dead_letters(uuid) is 'null means all of them';
revoke all on function subscriptions.replay_dead_letters(uuid), subscriptions.drop_dead_letters(uuid) from public;
grant execute on function subscriptions.replay_dead_letters(uuid), subscriptions.drop_dead_letters(uuid)
  to kreisfunk_operator;

-- When an entry was recorded is for the database alone to say, and that counts when proofs are forgotten.
revoke insert on subscriptions.consent from kreisfunk_subscriptions;
grant insert (subscriber_id, sequence, event, topics, wording_version, wording_hash, said_at, received_at, message_key)
  on subscriptions.consent to kreisfunk_subscriptions;
drop index subscriptions.consent_said_at;
create index consent_recorded_at on subscriptions.consent (recorded_at);

create or replace function subscriptions.forget_proofs(kept interval, step integer) returns integer
language plpgsql security definer set search_path = pg_catalog, subscriptions as $$
declare
  forgotten integer;
begin
  -- Three years, in which claims lapse: whoever calls this may keep proofs for longer, never for less.
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

-- A moment would lead from the deleted address to its consents: the day is kept, and the moment in the inbox only,
-- until nothing said before can arrive any more.
alter table subscriptions.erasure add column erased_on date;
update subscriptions.erasure set erased_on = (said_at at time zone 'UTC')::date;
alter table subscriptions.erasure alter column erased_on set not null, drop column said_at, drop column received_at;
create index erasure_erased_on on subscriptions.erasure (erased_on);
alter table subscriptions.inbox add column erased_at timestamptz;
create index inbox_erased on subscriptions.inbox using gin (senders) where erased_at is not null;
comment on column subscriptions.inbox.erased_at is 'when this message had everything deleted, by the clock of Meta';

-- From now on with a key, which the database does not know: what has none leads to nobody any more.
update subscriptions.feedback set author = null;

-- migrate:down
drop table subscriptions.dead_letter;
drop function subscriptions.replay_dead_letters, subscriptions.drop_dead_letters;
