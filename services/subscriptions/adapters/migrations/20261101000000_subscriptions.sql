-- migrate:up
set local lock_timeout = '5s';

-- Another database of the same server may be migrated at the same moment.
do $$
begin
  create role kreisfunk_subscriptions nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$
begin
  create role kreisfunk_monitor nologin;
exception when duplicate_object or unique_violation then null;
end $$;

create table subscriptions.subscriber (
  id uuid primary key,
  sequence integer not null,
  state text not null check (state in ('subscribed', 'unsubscribed', 'merged')),
  phone_index bytea unique,
  phone_sealed bytea,
  user_index bytea unique,
  user_sealed bytea,
  started_at timestamptz,
  started_received_at timestamptz,
  ended_at timestamptz,
  ended_received_at timestamptz,
  created_at timestamptz not null default now(),
  check (state <> 'subscribed' or phone_sealed is not null or user_sealed is not null),
  check (state = 'subscribed' or (phone_sealed is null and user_sealed is null)),
  check (phone_sealed is null or phone_index is not null),
  check (user_sealed is null or user_index is not null)
);
comment on column subscriptions.subscriber.sequence is 'counts starts and stops; recipients and withdrawals carry it';
comment on column subscriptions.subscriber.started_at is 'Meta''s clock, whole seconds; *_received_at is ours';

-- In this order a topic's audience is read page by page.
create table subscriptions.subscription (
  topic text not null,
  subscriber_id uuid not null references subscriptions.subscriber on delete cascade,
  primary key (topic, subscriber_id)
);
create index subscription_subscriber on subscriptions.subscription (subscriber_id);

create table subscriptions.wording (
  hash bytea primary key,
  version text not null,
  text text not null,
  first_used_at timestamptz not null default now()
);

-- Append-only: who may write it may neither change nor delete. No reference to subscriber, so that the
-- proof outlives an erasure.
create table subscriptions.consent (
  id bigint generated always as identity primary key,
  subscriber_id uuid not null,
  sequence integer not null,
  event text not null check (event in ('given', 'withdrawn', 'merged')),
  topics text[] not null,
  wording_version text,
  wording_hash bytea,
  said_at timestamptz not null,
  received_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  message_key bytea not null
);
create index consent_subscriber on subscriptions.consent (subscriber_id, sequence);

create table subscriptions.inbox (
  message_key bytea primary key,
  result text not null,
  publications bytea not null,
  received_at timestamptz not null,
  handled_at timestamptz not null default now()
);
create index inbox_handled_at on subscriptions.inbox (handled_at);
comment on column subscriptions.inbox.publications is 'what to publish, byte by byte, each time the message arrives';

create table subscriptions.hint (
  address_index bytea primary key,
  hinted_at timestamptz not null
);
create index hint_hinted_at on subscriptions.hint (hinted_at);

create table subscriptions.notice (
  source text not null,
  notice text not null,
  withdrawn_at timestamptz,
  primary key (source, notice)
);

create table subscriptions.broadcast (
  id uuid primary key,
  source text not null,
  notice text not null,
  revision integer not null,
  digest bytea not null,
  topic text not null,
  lane text not null check (lane in ('urgent', 'bulk')),
  template jsonb not null,
  published_at timestamptz not null,
  expires_at timestamptz not null,
  state text not null default 'expanding' check (state in ('expanding', 'expanded', 'cancelled')),
  reason text,
  position uuid not null default '00000000-0000-0000-0000-000000000000',
  page integer not null default 0,
  audience integer not null default 0,
  read_to_end boolean not null default false,
  unique (source, notice, revision),
  foreign key (source, notice) references subscriptions.notice
);
create index broadcast_expanding on subscriptions.broadcast (published_at) where state = 'expanding';
comment on column subscriptions.broadcast.position is 'the last subscriber whose page is stored';
comment on column subscriptions.broadcast.audience is 'recipients of all pages so far; final once read_to_end';

-- Pages whose position is stored but which the broker may not have yet: published again with these bytes.
create table subscriptions.pending_page (
  broadcast_id uuid not null references subscriptions.broadcast on delete cascade,
  page integer not null,
  message_id uuid not null,
  body bytea not null,
  recipients integer not null,
  last boolean not null,
  primary key (broadcast_id, page)
);

grant usage on schema subscriptions to kreisfunk_subscriptions, kreisfunk_monitor;
grant select on subscriptions.schema_migrations, subscriptions.schema_checksums to kreisfunk_subscriptions;
grant select, insert, update on subscriptions.subscriber, subscriptions.notice, subscriptions.broadcast
  to kreisfunk_subscriptions;
grant select, insert on subscriptions.consent, subscriptions.wording to kreisfunk_subscriptions;
grant select, insert, delete on subscriptions.subscription, subscriptions.inbox, subscriptions.pending_page
  to kreisfunk_subscriptions;
grant select, insert, update, delete on subscriptions.hint to kreisfunk_subscriptions;

-- For accounting: everything that counts, no address and no index of one.
grant select (id, sequence, state, started_at, ended_at, created_at) on subscriptions.subscriber
  to kreisfunk_monitor;
grant select (result, received_at, handled_at) on subscriptions.inbox to kreisfunk_monitor;
grant select (broadcast_id, page, message_id, recipients, last) on subscriptions.pending_page
  to kreisfunk_monitor;
grant select on subscriptions.subscription, subscriptions.consent, subscriptions.wording,
  subscriptions.notice, subscriptions.broadcast, subscriptions.schema_migrations to kreisfunk_monitor;

-- migrate:down
drop table subscriptions.pending_page, subscriptions.broadcast, subscriptions.notice, subscriptions.hint,
  subscriptions.inbox, subscriptions.consent, subscriptions.wording, subscriptions.subscription,
  subscriptions.subscriber;
