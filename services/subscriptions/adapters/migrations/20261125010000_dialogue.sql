-- migrate:up
set local lock_timeout = '5s';

alter table subscriptions.subscriber
  add column places text[] not null default '{}',
  add column paused_until timestamptz,
  add column chosen_at timestamptz,
  add column chosen_received_at timestamptz,
  add column merged_into uuid,
  add column suspended text[] not null default '{}',
  add column preferred_at timestamptz;
create index subscriber_merged_into on subscriptions.subscriber (merged_into) where merged_into is not null;
create index subscriber_ended on subscriptions.subscriber (ended_at) where state <> 'subscribed';
comment on column subscriptions.subscriber.places is 'chosen municipalities for local topics; none means all';
comment on column subscriptions.subscriber.suspended is 'topics ended by a stop inside WhatsApp, and no word since';
comment on column subscriptions.subscriber.preferred_at is 'the newest stop or resume inside WhatsApp';

alter table subscriptions.broadcast add column municipalities text[] not null default '{}';

alter table subscriptions.consent drop constraint consent_event_check;
alter table subscriptions.consent add constraint consent_event_check
  check (event in ('given', 'changed', 'withdrawn', 'moved', 'merged', 'erased'));
create index consent_said_at on subscriptions.consent (said_at);

-- By whom a handled message was, so that an erasure finds what was published about it.
alter table subscriptions.inbox add column senders bytea[] not null default '{}';
create index inbox_senders on subscriptions.inbox using gin (senders);

drop table subscriptions.hint;
create table subscriptions.conversation (
  address_index bytea primary key,
  hinted_at timestamptz,
  answers_left double precision not null,
  counted_at timestamptz not null
);
create index conversation_counted_at on subscriptions.conversation (counted_at);
comment on column subscriptions.conversation.answers_left is 'guards against two machines that answer each other';

-- `author` is a hash of a keyed hash: it leads from a person to what they said, and not the other way.
create table subscriptions.feedback (
  id uuid primary key,
  kind text not null check (kind in ('text', 'rating', 'reaction')),
  value text not null default '',
  said text not null default '',
  topic text,
  broadcast_id uuid,
  at timestamptz not null,
  author bytea
);
create index feedback_at on subscriptions.feedback (at);
create index feedback_author on subscriptions.feedback (author);

-- What is left of a person who had everything deleted.
create table subscriptions.erasure (
  address_index bytea primary key,
  said_at timestamptz not null,
  received_at timestamptz not null
);
create index erasure_said_at on subscriptions.erasure (said_at);

-- The proof is append-only for the service; only what ended long enough ago may go, by this function.
create function subscriptions.forget_proofs(kept interval, step integer) returns integer
language plpgsql security definer set search_path = pg_catalog, subscriptions as $$
declare
  forgotten integer;
begin
  if kept < interval '1 day' then
    raise exception 'proofs are kept for longer';
  end if;
  with old as (
    select id from subscriptions.consent c
    where said_at < now() - kept
      and not exists (
        select from subscriptions.consent newer
        where newer.subscriber_id = c.subscriber_id and newer.said_at >= now() - kept)
      and not exists (
        select from subscriptions.subscriber s where s.id = c.subscriber_id and s.state = 'subscribed')
    order by said_at limit step)
  delete from subscriptions.consent where id in (select id from old);
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;
revoke all on function subscriptions.forget_proofs(interval, integer) from public;
grant execute on function subscriptions.forget_proofs(interval, integer) to kreisfunk_subscriptions;

grant select, insert, update, delete on subscriptions.conversation, subscriptions.feedback, subscriptions.erasure
  to kreisfunk_subscriptions;
grant delete on subscriptions.subscriber to kreisfunk_subscriptions;
grant update (publications) on subscriptions.inbox to kreisfunk_subscriptions;
grant select (places, paused_until, merged_into) on subscriptions.subscriber to kreisfunk_monitor;
grant select (id, kind, value, topic, broadcast_id, at) on subscriptions.feedback to kreisfunk_monitor;

-- migrate:down
drop function subscriptions.forget_proofs;
drop table subscriptions.erasure, subscriptions.feedback, subscriptions.conversation;
