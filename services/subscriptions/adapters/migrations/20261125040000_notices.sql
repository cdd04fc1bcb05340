-- migrate:up
set local lock_timeout = '5s';

-- Each event of a municipal system that was accepted, with the answer to it: a repeat is answered by the same bytes.
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
comment on column subscriptions.notice_event.counts is 'whether it uses up the quota of its system: it made a broadcast';

alter table subscriptions.broadcast drop constraint broadcast_state_check;
alter table subscriptions.broadcast add constraint broadcast_state_check
  check (state in ('scheduled', 'expanding', 'expanded', 'cancelled'));
alter table subscriptions.broadcast add column spread_seconds double precision;
create index broadcast_scheduled on subscriptions.broadcast (published_at) where state = 'scheduled';
comment on column subscriptions.broadcast.published_at is 'when it begins: later than it was accepted if it is scheduled';

create index subscriber_paused on subscriptions.subscriber (paused_until) where paused_until is not null;

do $$
begin
  create role kreisfunk_operator nologin;
exception when duplicate_object or unique_violation then null;
end $$;
grant usage on schema subscriptions to kreisfunk_operator;
grant select (id, source, notice, revision, topic, lane, template, state, reason, published_at, expires_at, opens,
  closes, zone) on subscriptions.broadcast to kreisfunk_operator;
grant select, insert, delete on subscriptions.notice_event to kreisfunk_subscriptions;
grant select (source, event, system, counts, urgent, handled_at) on subscriptions.notice_event to kreisfunk_monitor;

-- migrate:down
revoke all on subscriptions.broadcast from kreisfunk_operator;
drop index subscriptions.subscriber_paused;
alter table subscriptions.broadcast drop column spread_seconds;
drop table subscriptions.notice_event;
