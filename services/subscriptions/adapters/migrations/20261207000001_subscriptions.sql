-- replaces: 20261201000000 20261202000000 20261203000000 20261206000000 20261207000000
-- migrate:up
set local lock_timeout = '5s';

-- Roles belong to the server: another database may be migrated at the same moment.
do $$
declare
  name text;
begin
  foreach name in array array['subscriptions', 'newsroom', 'monitor', 'operator', 'rotation'] loop
    begin
      execute format('create role kreisfunk_%s nologin', name);
    exception when duplicate_object or unique_violation then null;
    end;
  end loop;
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
  chosen_at timestamptz,
  chosen_received_at timestamptz,
  paused_at timestamptz,
  paused_received_at timestamptz,
  places text[] not null default '{}',
  paused_until timestamptz,
  suspended text[] not null default '{}',
  preferred_at timestamptz,
  merged_into uuid,
  created_at timestamptz not null default now(),
  check (state <> 'subscribed' or phone_sealed is not null or user_sealed is not null),
  check (state = 'subscribed' or (phone_sealed is null and user_sealed is null)),
  check (phone_sealed is null or phone_index is not null),
  check (user_sealed is null or user_index is not null)
);
create index subscriber_ended on subscriptions.subscriber (ended_at) where state <> 'subscribed';
create index subscriber_paused on subscriptions.subscriber (paused_until) where paused_until is not null;
create index subscriber_merged_into on subscriptions.subscriber (merged_into) where merged_into is not null;
comment on table subscriptions.subscriber is 'people who sent a start or a stop at least once';
comment on column subscriptions.subscriber.id is 'internal id; the only name of a person outside this service';
comment on column subscriptions.subscriber.sequence is
  'counts starts, choices and stops; recipients and withdrawals carry it';
comment on column subscriptions.subscriber.state is 'subscribed, unsubscribed, or merged into another row';
comment on column subscriptions.subscriber.phone_index is 'blind index of the phone number; null if unknown';
comment on column subscriptions.subscriber.phone_sealed is 'encrypted phone number; null if unknown or not subscribed';
comment on column subscriptions.subscriber.user_index is 'blind index of the WhatsApp user id (BSUID); null if unknown';
comment on column subscriptions.subscriber.user_sealed is
  'encrypted WhatsApp user id (BSUID); null if unknown or not subscribed';
comment on column subscriptions.subscriber.started_at is
  'newest start by Meta''s clock, in whole seconds; null if never started';
comment on column subscriptions.subscriber.started_received_at is 'newest start by our clock; null with started_at';
comment on column subscriptions.subscriber.ended_at is
  'newest stop by Meta''s clock, in whole seconds; null if never stopped';
comment on column subscriptions.subscriber.ended_received_at is 'newest stop by our clock; null with ended_at';
comment on column subscriptions.subscriber.chosen_at is
  'newest choice of topics or places, by Meta''s clock; null if none';
comment on column subscriptions.subscriber.chosen_received_at is 'newest choice by our clock; null with chosen_at';
comment on column subscriptions.subscriber.paused_at is
  'newest pause or its early end, by Meta''s clock; null if none';
comment on column subscriptions.subscriber.paused_received_at is 'newest pause by our clock; null with paused_at';
comment on column subscriptions.subscriber.places is 'municipalities chosen for local topics; empty means all';
comment on column subscriptions.subscriber.paused_until is 'end of the pause the person asked for; null without one';
comment on column subscriptions.subscriber.suspended is
  'topics ended by a stop inside WhatsApp that the person has not decided about since';
comment on column subscriptions.subscriber.preferred_at is
  'newest stop or resume inside WhatsApp, by Meta''s clock; null if none';
comment on column subscriptions.subscriber.merged_into is 'row that continues this one; null unless merged';
comment on column subscriptions.subscriber.created_at is 'when the row was inserted';

-- The primary key begins with the topic, so that a topic's audience is read page by page.
create table subscriptions.subscription (
  topic text not null,
  subscriber_id uuid not null references subscriptions.subscriber on delete cascade,
  primary key (topic, subscriber_id)
);
create index subscription_subscriber on subscriptions.subscription (subscriber_id);
comment on table subscriptions.subscription is 'topics of each subscriber';
comment on column subscriptions.subscription.topic is 'key of the topic in the county''s file';
comment on column subscriptions.subscription.subscriber_id is 'subscriber of the topic';

create table subscriptions.wording (
  hash bytea primary key,
  version text not null,
  text text not null,
  first_used_at timestamptz not null default now()
);
comment on table subscriptions.wording is 'texts that people consented to; append-only for the service';
comment on column subscriptions.wording.hash is 'SHA-256 of the text';
comment on column subscriptions.wording.version is 'version of the text, as the county names it';
comment on column subscriptions.wording.text is 'full text as it was shown';
comment on column subscriptions.wording.first_used_at is 'when the text was stored';

-- No reference to subscriber, so that the proof outlives an erasure.
create table subscriptions.consent (
  id bigint generated always as identity primary key,
  subscriber_id uuid not null,
  sequence integer not null,
  event text not null check (event in ('given', 'changed', 'withdrawn', 'moved', 'merged', 'erased')),
  topics text[] not null,
  wording_version text,
  wording_hash bytea,
  said_at timestamptz not null,
  received_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  message_key bytea not null
);
create index consent_subscriber on subscriptions.consent (subscriber_id, sequence);
create index consent_recorded_at on subscriptions.consent (recorded_at);
comment on table subscriptions.consent is
  'proof of every consent and withdrawal; append-only for the service, deleted by forget_proofs only';
comment on column subscriptions.consent.id is 'serial number';
comment on column subscriptions.consent.subscriber_id is 'subscriber.id, whose row may have been deleted since';
comment on column subscriptions.consent.sequence is 'subscriber.sequence after this event';
comment on column subscriptions.consent.event is 'given, changed, withdrawn, moved, merged or erased';
comment on column subscriptions.consent.topics is 'topics after this event';
comment on column subscriptions.consent.wording_version is 'wording.version of the text shown; null if none was needed';
comment on column subscriptions.consent.wording_hash is 'wording.hash of the text shown; null if none was needed';
comment on column subscriptions.consent.said_at is 'when the person wrote, by Meta''s clock';
comment on column subscriptions.consent.received_at is 'when the message arrived, by our clock';
comment on column subscriptions.consent.recorded_at is
  'when the row was inserted, by the database alone; the retention period begins here';
comment on column subscriptions.consent.message_key is 'keyed hash of the message id';

create table subscriptions.inbox (
  message_key bytea primary key,
  result text not null,
  publications bytea not null,
  received_at timestamptz not null,
  handled_at timestamptz not null default now(),
  senders bytea[] not null default '{}',
  erased_at timestamptz
);
create index inbox_handled_at on subscriptions.inbox (handled_at);
create index inbox_senders on subscriptions.inbox using gin (senders);
create index inbox_erased on subscriptions.inbox using gin (senders) where erased_at is not null;
comment on table subscriptions.inbox is 'messages that were handled, so that a redelivery gets the same result';
comment on column subscriptions.inbox.message_key is 'keyed hash of the message id';
comment on column subscriptions.inbox.result is 'outcome of the message, such as started or shown';
comment on column subscriptions.inbox.publications is
  'messages to publish, byte by byte, each time the message arrives (MessagePack); addresses in them are encrypted';
comment on column subscriptions.inbox.received_at is 'when the message arrived, by our clock';
comment on column subscriptions.inbox.handled_at is 'when the message was handled; the retention period begins here';
comment on column subscriptions.inbox.senders is
  'blind indexes of the sender''s addresses; an erasure finds by them what was published about the person';
comment on column subscriptions.inbox.erased_at is
  'when this message had everything deleted, by Meta''s clock; null for any other message';

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
comment on table subscriptions.dead_letter is
  'messages that could not be handled, one per row; only the service can decrypt them';
comment on column subscriptions.dead_letter.id is 'derived from the body, so that a message has one row';
comment on column subscriptions.dead_letter.reason is 'kind of the latest error, without content of the message';
comment on column subscriptions.dead_letter.body_sealed is 'whole message, encrypted';
comment on column subscriptions.dead_letter.senders is 'blind indexes of the sender''s addresses';
comment on column subscriptions.dead_letter.failed_at is
  'when the message first failed; the retention period begins here';
comment on column subscriptions.dead_letter.replay_at is
  'when an operator asked for another attempt; null unless one is pending';

create table subscriptions.conversation (
  address_index bytea primary key,
  hinted_at timestamptz,
  answers_left double precision not null,
  counted_at timestamptz not null,
  asked text not null default '',
  asked_at timestamptz
);
create index conversation_counted_at on subscriptions.conversation (counted_at);
comment on table subscriptions.conversation is 'state of the dialogue with an address, subscribed or not';
comment on column subscriptions.conversation.address_index is 'blind index of the address';
comment on column subscriptions.conversation.hinted_at is 'when the general hint was last sent; null if never';
comment on column subscriptions.conversation.answers_left is
  'answers that may still be sent, as of counted_at; stops two machines that answer each other';
comment on column subscriptions.conversation.counted_at is 'when answers_left was computed';
comment on column subscriptions.conversation.asked is
  'open question: what "Ja" means, and what a person chose before subscribing; empty if none';
-- counted_at grows with every answer, and a question would stay open as long as others follow.
comment on column subscriptions.conversation.asked_at is 'when the open question was asked; null if none was';

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
comment on table subscriptions.feedback is 'feedback from people: texts, ratings and reactions';
comment on column subscriptions.feedback.id is 'id of the feedback; a changed reaction keeps it';
comment on column subscriptions.feedback.kind is 'text, rating or reaction';
comment on column subscriptions.feedback.value is 'rating or emoji of the reaction; empty for a text';
comment on column subscriptions.feedback.said is 'text in the person''s words; empty for ratings and reactions';
comment on column subscriptions.feedback.topic is 'topic that it is about; null if unknown';
comment on column subscriptions.feedback.broadcast_id is 'broadcast that it is about; null if unknown';
comment on column subscriptions.feedback.at is 'when it was sent, as a full hour';
comment on column subscriptions.feedback.author is
  'keyed hash that leads from a person to their feedback, not back; null if it leads to nobody';

-- The exact time would lead from the deleted address to its consents. So only the day is kept here; the time is in the
-- inbox, until no older message can arrive any more.
create table subscriptions.erasure (
  address_index bytea primary key,
  erased_on date not null
);
create index erasure_erased_on on subscriptions.erasure (erased_on);
comment on table subscriptions.erasure is 'all that is left of a person who had everything deleted';
comment on column subscriptions.erasure.address_index is 'blind index of the deleted address';
comment on column subscriptions.erasure.erased_on is 'day of the erasure, in UTC';

create table subscriptions.notice (
  source text not null,
  notice text not null,
  withdrawn_at timestamptz,
  primary key (source, notice)
);
comment on table subscriptions.notice is 'notices of municipal systems; their contents are in broadcast';
comment on column subscriptions.notice.source is 'CloudEvents source of the system';
comment on column subscriptions.notice.notice is 'id of the notice at its system';
comment on column subscriptions.notice.withdrawn_at is 'when the system withdrew it; null unless withdrawn';

create table subscriptions.notice_event (
  source text not null,
  event text not null,
  digest bytea not null,
  system text not null,
  counts boolean not null,
  urgent boolean not null,
  publications bytea not null,
  handled_at timestamptz not null,
  primary key (source, event)
);
create index notice_event_handled_at on subscriptions.notice_event (handled_at);
create index notice_event_quota on subscriptions.notice_event (system, handled_at, urgent) where counts;
comment on table subscriptions.notice_event is
  'accepted events of municipal systems with their answers; a repeated event gets the same bytes';
comment on column subscriptions.notice_event.source is 'CloudEvents source of the event';
comment on column subscriptions.notice_event.event is 'CloudEvents id of the event';
comment on column subscriptions.notice_event.digest is 'hash of the content; a repeated event must have the same';
comment on column subscriptions.notice_event.system is 'login of the system';
comment on column subscriptions.notice_event.counts is
  'whether it counts towards the quota of its system, because it created a broadcast';
comment on column subscriptions.notice_event.urgent is 'whether the notice is urgent';
comment on column subscriptions.notice_event.publications is 'answer that was published (MessagePack)';
comment on column subscriptions.notice_event.handled_at is
  'when the event was accepted; the retention period begins here';

-- The content is fixed when the notice is accepted, so that each page says the same whenever it is made.
create table subscriptions.broadcast (
  id uuid primary key,
  source text not null,
  notice text not null,
  revision integer not null,
  digest bytea not null,
  topic text not null,
  lane text not null check (lane in ('urgent', 'bulk')),
  municipalities text[] not null default '{}',
  follows uuid[] not null default '{}',
  template jsonb not null,
  published_at timestamptz not null,
  expires_at timestamptz not null,
  opens time,
  closes time,
  zone text,
  spacing_seconds double precision,
  spread_seconds double precision,
  state text not null default 'expanding' check (state in ('scheduled', 'expanding', 'expanded', 'cancelled')),
  reason text,
  position uuid not null default '00000000-0000-0000-0000-000000000000',
  page integer not null default 0,
  audience integer not null default 0,
  read_to_end boolean not null default false,
  unique (source, notice, revision),
  foreign key (source, notice) references subscriptions.notice
);
create index broadcast_scheduled on subscriptions.broadcast (published_at) where state = 'scheduled';
create index broadcast_expanding on subscriptions.broadcast (published_at) where state = 'expanding';
comment on table subscriptions.broadcast is 'one revision of a notice on its way to the subscribers of a topic';
comment on column subscriptions.broadcast.id is 'id of the broadcast; begins with its time';
comment on column subscriptions.broadcast.source is 'CloudEvents source of the notice';
comment on column subscriptions.broadcast.notice is 'id of the notice at its system';
comment on column subscriptions.broadcast.revision is 'revision of the notice';
comment on column subscriptions.broadcast.digest is 'hash of the content';
comment on column subscriptions.broadcast.topic is 'topic whose subscribers get it';
comment on column subscriptions.broadcast.lane is 'urgent or bulk';
comment on column subscriptions.broadcast.municipalities is 'municipalities that it is about; empty means all';
comment on column subscriptions.broadcast.follows is
  'earlier broadcasts whose recipients get it, whom only the ledger knows; empty if it goes to a topic''s subscribers';
comment on column subscriptions.broadcast.template is 'WhatsApp template and its parameters';
comment on column subscriptions.broadcast.published_at is
  'when it begins; later than the notice was accepted if it is scheduled';
comment on column subscriptions.broadcast.expires_at is 'no message is sent from then on';
comment on column subscriptions.broadcast.opens is 'time of day from which it may be sent; null means at any time';
comment on column subscriptions.broadcast.closes is 'time of day until which it may be sent; null with opens';
comment on column subscriptions.broadcast.zone is 'time zone of opens and closes; null with opens';
comment on column subscriptions.broadcast.spacing_seconds is
  'seconds between two recipients; null means as fast as the rate permits';
comment on column subscriptions.broadcast.spread_seconds is
  'seconds over which it is spread, from which spacing_seconds is computed when it begins; null if not spread';
comment on column subscriptions.broadcast.state is 'scheduled, expanding, expanded or cancelled';
comment on column subscriptions.broadcast.reason is 'reason of a cancellation; null unless cancelled';
comment on column subscriptions.broadcast.position is
  'last subscriber whose page is stored; zero before the first page and after the last';
comment on column subscriptions.broadcast.page is 'number of pages stored so far';
comment on column subscriptions.broadcast.audience is 'recipients of all pages so far; final once read_to_end';
comment on column subscriptions.broadcast.read_to_end is 'whether all recipients have been read';

create table subscriptions.pending_page (
  broadcast_id uuid not null references subscriptions.broadcast on delete cascade,
  page integer not null,
  message_id uuid not null,
  body bytea not null,
  recipients integer not null,
  last boolean not null,
  primary key (broadcast_id, page)
);
comment on table subscriptions.pending_page is
  'pages that the broker may not have yet; after a crash they are published again with the same bytes';
comment on column subscriptions.pending_page.broadcast_id is 'broadcast of the page';
comment on column subscriptions.pending_page.page is 'number of the page, from 0';
comment on column subscriptions.pending_page.message_id is 'id of the message to publish';
comment on column subscriptions.pending_page.body is 'message to publish, byte by byte; addresses in it are encrypted';
comment on column subscriptions.pending_page.recipients is 'number of recipients on the page';
comment on column subscriptions.pending_page.last is 'whether it is the last page of the broadcast';

-- Who follows a notice learns from the event alone that its broadcast has ended, if no page of it reached the dispatcher.
create table subscriptions.cancellation (
  broadcast_id uuid primary key references subscriptions.broadcast on delete cascade
);
comment on table subscriptions.cancellation is
  'expansions that an operator cancelled, until the event about it has been published';
comment on column subscriptions.cancellation.broadcast_id is 'cancelled broadcast';

create table subscriptions.trial (
  draft uuid primary key,
  code text not null check (code ~ '^[0-9]{8}$'),
  text text not null check (char_length(text) between 1 and 2000),
  ends_at timestamptz not null,
  guesses integer not null default 0
);
create index trial_ends_at on subscriptions.trial (ends_at);
comment on table subscriptions.trial is
  'drafts that an editor wants to see on a telephone: whoever writes the code gets the text as an answer, once';
comment on column subscriptions.trial.draft is 'newsroom.draft.id: a new code for a draft replaces the old one';
comment on column subscriptions.trial.code is 'what the telephone sends; it gives no more than the text beside it';
comment on column subscriptions.trial.text is 'text of the draft';
comment on column subscriptions.trial.ends_at is 'the code is of no use from then on; the retention period begins here';
comment on column subscriptions.trial.guesses is 'wrong codes that came meanwhile; too many make this one useless';

-- The service may only append proofs; those that ended long enough ago are deleted by this function. It keeps all
-- proofs of a person who is subscribed or has a newer one. The row that a merged one continues in may have no proof of its
-- own for what the person gets: the proofs of both stay while the person is subscribed. A merged row is deleted with the
-- row that it was merged into.
create function subscriptions.forget_proofs(kept interval, step integer) returns integer
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

-- Ends an expansion as a withdrawal does: first the lock, since pages that are being stored meanwhile are visible only to
-- a statement that begins later. Returns its state before if pages of it may be on their way, else null; what is
-- scheduled is ended by its publisher.
create function subscriptions.cancel_expansion(target uuid, why text) returns text
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

-- All that the newsroom sees of citizens' messages: how many could not be handled (decision 0036).
create function subscriptions.count_dead_letters()
returns table (letters integer, oldest timestamptz, replaying integer) language sql stable
security definer set search_path = pg_catalog, subscriptions as $$
  select count(*)::int, min(failed_at), count(replay_at)::int from subscriptions.dead_letter
$$;

-- All that the newsroom writes here: a text for whoever sends the code. It never learns who did (decision 0036).
create function subscriptions.offer_trial(draft uuid, code text, text text) returns timestamptz language sql
security definer set search_path = pg_catalog, subscriptions as $$
  insert into subscriptions.trial (draft, code, text, ends_at)
  values (offer_trial.draft, offer_trial.code, offer_trial.text, now() + interval '10 minutes')
  on conflict (draft) do update set code = excluded.code, text = excluded.text, ends_at = excluded.ends_at, guesses = 0
  returning ends_at
$$;

revoke all on function subscriptions.forget_proofs(interval, integer), subscriptions.replay_dead_letters(uuid),
  subscriptions.drop_dead_letters(uuid), subscriptions.cancel_expansion(uuid, text), subscriptions.count_dead_letters(),
  subscriptions.offer_trial(uuid, text, text) from public;
grant usage on schema subscriptions to kreisfunk_subscriptions, kreisfunk_newsroom, kreisfunk_monitor,
  kreisfunk_operator, kreisfunk_rotation;

grant select on subscriptions.schema_migrations, subscriptions.schema_checksums to kreisfunk_subscriptions;
grant select, insert, update on subscriptions.notice, subscriptions.broadcast to kreisfunk_subscriptions;
grant select, insert on subscriptions.wording to kreisfunk_subscriptions;
grant select, insert, delete on subscriptions.subscription, subscriptions.inbox, subscriptions.pending_page,
  subscriptions.notice_event, subscriptions.dead_letter to kreisfunk_subscriptions;
grant select, insert, update, delete on subscriptions.subscriber, subscriptions.conversation, subscriptions.feedback,
  subscriptions.erasure to kreisfunk_subscriptions;
grant select, delete on subscriptions.cancellation to kreisfunk_subscriptions;
grant select, update (guesses), delete on subscriptions.trial to kreisfunk_subscriptions;
grant update (publications) on subscriptions.inbox to kreisfunk_subscriptions;
grant update (reason, replay_at) on subscriptions.dead_letter to kreisfunk_subscriptions;
-- Neither id nor recorded_at: when an entry was recorded decides when it is deleted, so the database alone sets it.
grant select, insert (subscriber_id, sequence, event, topics, wording_version, wording_hash, said_at, received_at,
  message_key) on subscriptions.consent to kreisfunk_subscriptions;
grant execute on function subscriptions.forget_proofs(interval, integer) to kreisfunk_subscriptions;

-- The demonstration and the fault tests count with this role; nothing else uses it.
grant select (state) on subscriptions.subscriber to kreisfunk_monitor;
grant select (result) on subscriptions.inbox to kreisfunk_monitor;
grant select (id, notice, follows, expires_at, state, audience, read_to_end) on subscriptions.broadcast
  to kreisfunk_monitor;

-- What the commands show: neither feedback nor the system of a notice.
grant select (id, notice, revision, topic, lane, template, state, reason, published_at, expires_at, opens, closes, zone)
  on subscriptions.broadcast to kreisfunk_operator;
grant select (id, reason, failed_at, replay_at) on subscriptions.dead_letter to kreisfunk_operator;
grant execute on function subscriptions.replay_dead_letters(uuid), subscriptions.drop_dead_letters(uuid),
  subscriptions.cancel_expansion(uuid, text) to kreisfunk_operator;

-- Re-encrypts addresses and moves blind indexes to a new key: sees no topic and no state, and can change nothing but
-- columns with addresses in them.
grant select (id, phone_index, phone_sealed, user_index, user_sealed),
  update (phone_index, phone_sealed, user_index, user_sealed) on subscriptions.subscriber to kreisfunk_rotation;
grant select (message_key, publications, senders), update (publications, senders) on subscriptions.inbox
  to kreisfunk_rotation;
grant select (broadcast_id, page, body), update (body) on subscriptions.pending_page to kreisfunk_rotation;
grant select (senders) on subscriptions.dead_letter to kreisfunk_rotation;
grant select (address_index), update (address_index), delete on subscriptions.conversation, subscriptions.erasure
  to kreisfunk_rotation;

grant execute on function subscriptions.count_dead_letters(), subscriptions.replay_dead_letters(uuid),
  subscriptions.cancel_expansion(uuid, text), subscriptions.offer_trial(uuid, text, text) to kreisfunk_newsroom;

-- migrate:down
revoke execute on function subscriptions.replay_dead_letters(uuid), subscriptions.cancel_expansion(uuid, text)
  from kreisfunk_newsroom;
revoke usage on schema subscriptions from kreisfunk_newsroom;
drop function subscriptions.count_dead_letters, subscriptions.offer_trial;
drop table subscriptions.trial, subscriptions.cancellation;
drop function subscriptions.forget_proofs, subscriptions.replay_dead_letters, subscriptions.drop_dead_letters,
  subscriptions.cancel_expansion;
drop table subscriptions.pending_page, subscriptions.broadcast, subscriptions.notice_event, subscriptions.notice,
  subscriptions.erasure, subscriptions.feedback, subscriptions.conversation, subscriptions.dead_letter,
  subscriptions.inbox, subscriptions.consent, subscriptions.wording, subscriptions.subscription,
  subscriptions.subscriber;
