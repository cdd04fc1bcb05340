-- replaces: 20261127000000 20261129000000 20261201000000
-- migrate:up
set local lock_timeout = '5s';

-- Roles belong to the server: another database may be migrated at the same moment.
do $$
begin
  create role kreisfunk_newsroom nologin;
exception when duplicate_object or unique_violation then null;
end $$;

create table newsroom.account (
  id uuid primary key,
  login text not null unique check (login ~ '^[a-z0-9][a-z0-9._-]{1,39}$'),
  name text not null,
  person uuid not null,
  roles text[] not null check (roles <@ array['editor', 'approver', 'operator', 'lead']),
  password_hash text,
  password_ends_at timestamptz,
  totp_secret bytea,
  totp_step bigint not null default 0,
  issuer text,
  subject text,
  disabled_at timestamptz,
  created_at timestamptz not null default now(),
  unique (issuer, subject),
  check ((issuer is null) = (subject is null)),
  check (subject is null or (password_hash is null and totp_secret is null))
);
comment on table newsroom.account is 'accounts of the press office; an account is disabled, never deleted';
comment on column newsroom.account.id is 'id of the account';
comment on column newsroom.account.login is 'name to log in with';
comment on column newsroom.account.name is 'name of the person, as colleagues read it';
comment on column newsroom.account.person is 'id of the human; two accounts of one human share it';
comment on column newsroom.account.roles is 'editor, approver, operator, lead';
comment on column newsroom.account.password_hash is 'Argon2id hash; null until a password is set';
comment on column newsroom.account.password_ends_at is
  'end of a first password, which its owner replaces when logging in; null for a password chosen by its owner';
comment on column newsroom.account.totp_secret is
  'encrypted secret of the one-time codes; null until its owner has set it up';
comment on column newsroom.account.totp_step is 'time step of the newest code used, so that no code is used twice';
comment on column newsroom.account.issuer is
  'identity provider over which its owner logs in; null for a login with password and one-time codes';
comment on column newsroom.account.subject is 'who its owner is for the identity provider; null without one';
comment on column newsroom.account.disabled_at is 'when it was disabled; null while it may log in';
comment on column newsroom.account.created_at is 'when it was created';

create table newsroom.recovery_code (
  account uuid not null references newsroom.account,
  code_hash bytea not null,
  used_at timestamptz,
  primary key (account, code_hash)
);
comment on table newsroom.recovery_code is 'codes for a login without the telephone; each is good for one';
comment on column newsroom.recovery_code.account is 'account.id';
comment on column newsroom.recovery_code.code_hash is 'SHA-256 of the code, which has 80 random bits';
comment on column newsroom.recovery_code.used_at is 'when it was used; null while it is good';

create table newsroom.session (
  token_hash bytea primary key,
  account uuid not null references newsroom.account,
  csrf text not null,
  stage text not null check (stage in ('setup', 'open')),
  created_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  revoked_at timestamptz
);
create index session_account on newsroom.session (account);
create index session_created on newsroom.session (created_at);
comment on table newsroom.session is 'sessions of browsers';
comment on column newsroom.session.token_hash is 'SHA-256 of the cookie';
comment on column newsroom.session.account is 'account.id';
comment on column newsroom.session.csrf is 'value that every form of this session carries';
comment on column newsroom.session.stage is
  'setup until its owner has chosen a password and set up one-time codes, then open';
comment on column newsroom.session.created_at is 'when it began';
comment on column newsroom.session.seen_at is 'last request, to the minute';
comment on column newsroom.session.revoked_at is 'when it was ended by logging out, or by somebody else';

create table newsroom.device (
  token_hash bytea primary key,
  account uuid not null references newsroom.account,
  created_at timestamptz not null default now(),
  used_at timestamptz not null default now()
);
create index device_account on newsroom.device (account);
create index device_used on newsroom.device (used_at);
comment on table newsroom.device is
  'browsers in which an account has logged in: they may try again whatever others do to the account''s name';
comment on column newsroom.device.token_hash is 'SHA-256 of the cookie';
comment on column newsroom.device.account is 'account.id';
comment on column newsroom.device.created_at is 'first login';
comment on column newsroom.device.used_at is 'last login';

create table newsroom.login_failure (
  scope text not null check (scope in ('login', 'address', 'device')),
  key text not null,
  failures integer not null,
  failed_at timestamptz not null,
  primary key (scope, key)
);
create index login_failure_at on newsroom.login_failure (failed_at);
comment on table newsroom.login_failure is 'failed logins, which delay the next attempt';
comment on column newsroom.login_failure.scope is 'login, address or device';
comment on column newsroom.login_failure.key is
  'the name typed in, the network of the address, or the hash of the device''s cookie';
comment on column newsroom.login_failure.failures is 'failures in a row';
comment on column newsroom.login_failure.failed_at is 'the newest failure';

create table newsroom.account_request (
  id uuid primary key,
  kind text not null check (kind in ('invite', 'roles', 'enable')),
  login text not null,
  payload jsonb not null,
  requested_by uuid not null references newsroom.account,
  requested_at timestamptz not null default now(),
  decided_by uuid references newsroom.account,
  decided_at timestamptz,
  decision text check (decision in ('confirmed', 'refused')),
  check ((decided_by is null) = (decision is null) and (decided_at is null) = (decision is null))
);
create unique index account_request_open on newsroom.account_request (login) where decision is null;
comment on table newsroom.account_request is 'changes of accounts that a second person has to confirm';
comment on column newsroom.account_request.id is 'id of the request';
comment on column newsroom.account_request.kind is 'invite, roles or enable';
comment on column newsroom.account_request.login is 'login of the account, which an invitation creates';
comment on column newsroom.account_request.payload is 'name, roles, and for an invitation the person';
comment on column newsroom.account_request.requested_by is 'account.id';
comment on column newsroom.account_request.requested_at is 'when it was requested';
comment on column newsroom.account_request.decided_by is 'account.id of the second person; null while open';
comment on column newsroom.account_request.decided_at is 'when it was decided; null while open';
comment on column newsroom.account_request.decision is 'confirmed or refused; null while open';

create table newsroom.audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  account uuid references newsroom.account,
  action text not null,
  object text not null,
  detail jsonb not null default '{}'
);
create index audit_at on newsroom.audit (at);
comment on table newsroom.audit is 'what was done, and by whom; the service may add and read, never change';
comment on column newsroom.audit.id is 'counts the acts';
comment on column newsroom.audit.at is 'when it was done';
comment on column newsroom.audit.account is 'account.id; null for the command line and for what the service does itself';
comment on column newsroom.audit.action is 'what was done, such as draft.approved';
comment on column newsroom.audit.object is 'to what: the id of a notice, or the login of an account';
comment on column newsroom.audit.detail is 'more about it, such as a reason; neither a password nor a code';

create table newsroom.draft (
  id uuid primary key,
  notice text not null unique,
  kind text not null check (kind in ('notice', 'update', 'follow_up', 'withdrawal')),
  corrects text,
  state text not null check (
    state in ('draft', 'pending', 'escalated', 'returned', 'approved', 'published', 'discarded')),
  version integer not null,
  emergency text,
  created_by uuid not null references newsroom.account,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now()
);
create index draft_changed on newsroom.draft (changed_at desc, id);
create index draft_state on newsroom.draft (state, changed_at desc);
create index draft_corrects on newsroom.draft (corrects) where corrects is not null;
create index draft_emergency on newsroom.draft (changed_at) where emergency is not null;
comment on table newsroom.draft is 'notices that are written here; a draft is discarded, never deleted';
comment on column newsroom.draft.id is 'id of the draft';
comment on column newsroom.draft.notice is 'id of the notice, which is public: chosen when the draft is begun';
comment on column newsroom.draft.kind is 'notice, update, follow_up or withdrawal';
comment on column newsroom.draft.corrects is 'id of the notice that it updates, follows or withdraws; null for a new one';
comment on column newsroom.draft.state is
  'draft, pending, escalated (approved but for the leads), returned, approved, published or discarded';
comment on column newsroom.draft.version is 'newest draft_version.version';
comment on column newsroom.draft.emergency is
  'why it was sent before a second person had approved it; null unless it was';
comment on column newsroom.draft.created_by is 'account.id';
comment on column newsroom.draft.created_at is 'when it was begun';
comment on column newsroom.draft.changed_at is 'when its state or text last changed';

create table newsroom.draft_version (
  draft uuid not null references newsroom.draft,
  version integer not null check (version > 0),
  content jsonb not null,
  author uuid not null references newsroom.account,
  saved_at timestamptz not null default now(),
  seen_revision integer not null default 0,
  primary key (draft, version)
);
comment on table newsroom.draft_version is 'every version of a draft; none is changed or overwritten';
comment on column newsroom.draft_version.draft is 'draft.id';
comment on column newsroom.draft_version.version is 'counts from 1';
comment on column newsroom.draft_version.content is 'topic, municipalities, texts, link, picture, times, urgency';
comment on column newsroom.draft_version.author is 'account.id';
comment on column newsroom.draft_version.saved_at is 'when it was saved';
comment on column newsroom.draft_version.seen_revision is
  'newest revision of its notice that its editor knew; 0 for what is no correction';

create table newsroom.decision (
  id uuid primary key,
  draft uuid not null,
  version integer not null,
  account uuid not null references newsroom.account,
  person uuid not null,
  verdict text not null check (
    verdict in ('submit', 'approve', 'approve_amount', 'return', 'emergency', 'review')),
  reason text not null default '',
  at timestamptz not null default now(),
  foreign key (draft, version) references newsroom.draft_version (draft, version),
  check (verdict <> 'return' or reason <> '')
);
create index decision_draft on newsroom.decision (draft, version);
create unique index decision_approval on newsroom.decision (draft, version, account, verdict)
  where verdict in ('approve', 'approve_amount');
comment on table newsroom.decision is
  'submissions, approvals, returns, emergencies and later reviews of a version; each account approves a version once';
comment on column newsroom.decision.id is 'id of the decision';
comment on column newsroom.decision.draft is 'draft.id';
comment on column newsroom.decision.version is 'the version that was read';
comment on column newsroom.decision.account is 'account.id';
comment on column newsroom.decision.person is 'account.person at that time';
comment on column newsroom.decision.verdict is
  'submit, approve, approve_amount (by a lead), return, emergency for sending before anybody has approved, or review of that';
comment on column newsroom.decision.reason is 'why it was returned, or sent in an emergency; empty otherwise';
comment on column newsroom.decision.at is 'when it was decided';

create table newsroom.publication (
  id uuid primary key,
  draft uuid not null references newsroom.draft,
  version integer not null,
  revision integer not null,
  body jsonb not null,
  state text not null default 'waiting' check (state in ('waiting', 'accepted', 'rejected')),
  tries integer not null default 0,
  next_at timestamptz not null default now(),
  problems jsonb,
  broadcast uuid,
  people integer,
  approvals uuid[] not null default '{}',
  created_at timestamptz not null default now(),
  answered_at timestamptz,
  confirmed_at timestamptz,
  check ((state = 'waiting') = (answered_at is null))
);
create index publication_waiting on newsroom.publication (next_at) where state = 'waiting';
create index publication_draft on newsroom.publication (draft);
-- What is on its way to the notices API, or not yet a broadcast.
create index publication_under_way on newsroom.publication (created_at desc)
  where state <> 'rejected' and broadcast is null and confirmed_at is null;
create unique index publication_broadcast on newsroom.publication (broadcast) where broadcast is not null;
comment on table newsroom.publication is 'outbox of the notices API: what waits is sent until it is answered';
comment on column newsroom.publication.id is 'id of the publication, and in hexadecimal of its event, which counts once';
comment on column newsroom.publication.draft is 'draft.id';
comment on column newsroom.publication.version is 'version that is published';
comment on column newsroom.publication.revision is 'revision of the notice';
comment on column newsroom.publication.body is 'body of the request';
comment on column newsroom.publication.state is 'waiting, accepted or rejected';
comment on column newsroom.publication.tries is 'how often it was sent without an answer';
comment on column newsroom.publication.next_at is 'when it is sent next, while waiting';
comment on column newsroom.publication.problems is 'why it was rejected; null unless rejected';
comment on column newsroom.publication.broadcast is 'broadcast.id; null until it is known';
comment on column newsroom.publication.people is
  'how many it was expected to reach, which the month''s budget has to allow for; null if unknown';
comment on column newsroom.publication.approvals is
  'decision.id of each approval that counted when it was handed over, whatever its giver may do today';
comment on column newsroom.publication.created_at is 'when it was to be published';
comment on column newsroom.publication.answered_at is 'when it was accepted or rejected; null while waiting';
comment on column newsroom.publication.confirmed_at is 'when an event told that it takes effect; null until then';

create table newsroom.broadcast (
  id uuid primary key,
  source text,
  notice text,
  revision integer,
  topic text,
  headline text,
  lane text,
  audience integer,
  states jsonb not null default '{}',
  person_limited integer not null default 0,
  accepted_at timestamptz,
  scheduled_at timestamptz,
  started_at timestamptz,
  progressed_at timestamptz,
  finished_at timestamptz,
  cancelled_at timestamptz,
  failures jsonb not null default '[]',
  reached_at timestamptz
);
create index broadcast_notice on newsroom.broadcast (notice, revision);
create index broadcast_accepted on newsroom.broadcast (accepted_at desc nulls last, id);
create index broadcast_started on newsroom.broadcast (started_at);
-- What the month's budget still has to allow for.
create index broadcast_unfinished on newsroom.broadcast (id) where finished_at is null and cancelled_at is null;
comment on table newsroom.broadcast is
  'broadcasts of all systems, filled from events, which may arrive in any order: null is what no event has told yet';
comment on column newsroom.broadcast.id is 'id of the broadcast';
comment on column newsroom.broadcast.source is 'source of the notice';
comment on column newsroom.broadcast.notice is 'id of the notice';
comment on column newsroom.broadcast.revision is 'revision of the notice';
comment on column newsroom.broadcast.topic is 'topic of the notice';
comment on column newsroom.broadcast.headline is 'headline of the notice';
comment on column newsroom.broadcast.lane is 'urgent or bulk';
comment on column newsroom.broadcast.audience is 'number of recipients';
comment on column newsroom.broadcast.states is 'number of deliveries in each state';
comment on column newsroom.broadcast.person_limited is 'number of those that wait for Meta''s limit of people a day';
comment on column newsroom.broadcast.accepted_at is 'when the notice was accepted';
comment on column newsroom.broadcast.scheduled_at is 'when it was planned to begin; null means at once';
comment on column newsroom.broadcast.started_at is 'when it began';
comment on column newsroom.broadcast.progressed_at is 'time of the newest progress';
comment on column newsroom.broadcast.finished_at is 'when its last delivery got a final state';
comment on column newsroom.broadcast.cancelled_at is 'when it was cancelled';
comment on column newsroom.broadcast.failures is 'failed deliveries by reason, with Meta''s code';
comment on column newsroom.broadcast.reached_at is
  'when WhatsApp had accepted 95 percent of its messages; null until then';

create table newsroom.feedback (
  id uuid primary key,
  kind text not null,
  value text,
  text text,
  topic text,
  broadcast uuid,
  at timestamptz not null
);
create index feedback_at on newsroom.feedback (at desc, id);
create index feedback_broadcast on newsroom.feedback (broadcast) where broadcast is not null;
comment on table newsroom.feedback is 'feedback of citizens, without anything that says who they are';
comment on column newsroom.feedback.id is 'id of the feedback';
comment on column newsroom.feedback.kind is 'kind of feedback, such as a rating, a reaction or words';
comment on column newsroom.feedback.value is 'rating or reaction; null for words';
comment on column newsroom.feedback.text is 'the words; null without';
comment on column newsroom.feedback.topic is 'topic that it is about; null if unknown';
comment on column newsroom.feedback.broadcast is 'broadcast.id that it is about; null if unknown';
comment on column newsroom.feedback.at is 'when it was given';

create table newsroom.subscription_hour (
  hour timestamptz not null,
  topic text not null,
  started integer not null default 0,
  ended integer not null default 0,
  primary key (hour, topic)
);
comment on table newsroom.subscription_hour is 'starts and ends of subscriptions, counted by hour and topic';
comment on column newsroom.subscription_hour.hour is 'beginning of the hour';
comment on column newsroom.subscription_hour.topic is
  'topic; empty for people who begin or leave altogether, whatever their topics';
comment on column newsroom.subscription_hour.started is 'number of starts';
comment on column newsroom.subscription_hour.ended is 'number of ends';

create table newsroom.topic_audience (
  day date not null,
  topic text not null,
  people integer not null,
  counted_at timestamptz not null,
  primary key (day, topic)
);
comment on table newsroom.topic_audience is 'how many people a notice would have reached, as counted last on that day';
comment on column newsroom.topic_audience.day is 'day in Germany';
comment on column newsroom.topic_audience.topic is 'topic of the notice, which is for the whole county';
comment on column newsroom.topic_audience.people is 'number of people, without those who pause';
comment on column newsroom.topic_audience.counted_at is 'when they were counted';

create table newsroom.inbox (
  event text primary key,
  handled_at timestamptz not null default now()
);
create index inbox_handled on newsroom.inbox (handled_at);
comment on table newsroom.inbox is 'events that must not count again: counted ones, and erasures of feedback';
comment on column newsroom.inbox.event is 'id of the event, or "erased " and that of feedback that must not come back';
comment on column newsroom.inbox.handled_at is 'when it was counted; the retention period begins here';

create table newsroom.archive_entry (
  code text primary key check (code ~ '^[A-Z0-9]{4,12}$'),
  publication uuid not null unique references newsroom.publication,
  notice text not null,
  revision integer not null,
  topic text not null,
  municipalities text[] not null default '{}',
  headline text not null,
  text text not null,
  link text,
  picture text,
  urgent boolean not null default false,
  published_at timestamptz not null,
  expires_at timestamptz not null,
  replaced_by integer,
  withdrawn_at timestamptz,
  unique (notice, revision)
);
create index archive_entry_published on newsroom.archive_entry (published_at desc, code);
comment on table newsroom.archive_entry is 'notices as the public archive shows them';
comment on column newsroom.archive_entry.code is 'short code by which a citizen finds out whether a message was ours';
comment on column newsroom.archive_entry.publication is 'publication.id';
comment on column newsroom.archive_entry.notice is 'id of the notice';
comment on column newsroom.archive_entry.revision is 'revision of the notice';
comment on column newsroom.archive_entry.topic is 'topic of the notice';
comment on column newsroom.archive_entry.municipalities is 'municipalities; empty means the whole county';
comment on column newsroom.archive_entry.headline is 'headline';
comment on column newsroom.archive_entry.text is 'text';
comment on column newsroom.archive_entry.link is 'address of the page about it; null without';
comment on column newsroom.archive_entry.picture is 'address of the picture; null without';
comment on column newsroom.archive_entry.urgent is 'whether it was urgent';
comment on column newsroom.archive_entry.published_at is 'when it was published';
comment on column newsroom.archive_entry.expires_at is 'it is out of date from then on';
comment on column newsroom.archive_entry.replaced_by is
  'revision that replaced it, whoever published that; null if there is none';
comment on column newsroom.archive_entry.withdrawn_at is 'when it was withdrawn; null unless it was';

create table newsroom.withdrawn_notice (
  source text not null,
  notice text not null,
  at timestamptz not null,
  primary key (source, notice)
);
comment on table newsroom.withdrawn_notice is 'notices of all systems that were withdrawn, by whichever system';
comment on column newsroom.withdrawn_notice.source is 'source of the notice';
comment on column newsroom.withdrawn_notice.notice is 'id of the notice';
comment on column newsroom.withdrawn_notice.at is 'when it was withdrawn';

grant usage on schema newsroom to kreisfunk_newsroom;
grant select on newsroom.schema_migrations, newsroom.schema_checksums to kreisfunk_newsroom;
grant select, insert on newsroom.draft_version, newsroom.decision, newsroom.withdrawn_notice to kreisfunk_newsroom;
-- When an act was done, and after which others, is not for the service to say.
grant select, insert (account, action, object, detail) on newsroom.audit to kreisfunk_newsroom;
grant select, insert, update on newsroom.broadcast, newsroom.subscription_hour, newsroom.topic_audience
  to kreisfunk_newsroom;
-- Who has an account, who asked for a change of one, who began a draft, what was handed over and what the archive shows
-- are written once. Whoever breaks into the service cannot rewrite them, as no statement of it does.
grant select, insert on newsroom.account, newsroom.account_request, newsroom.draft, newsroom.publication,
  newsroom.archive_entry to kreisfunk_newsroom;
grant update (roles, password_hash, password_ends_at, totp_secret, totp_step, issuer, subject, disabled_at)
  on newsroom.account to kreisfunk_newsroom;
-- The payload loses its encrypted part once the request is decided.
grant update (payload, decided_by, decided_at, decision) on newsroom.account_request to kreisfunk_newsroom;
grant update (state, version, emergency, changed_at) on newsroom.draft to kreisfunk_newsroom;
grant update (state, tries, next_at, problems, broadcast, answered_at, confirmed_at) on newsroom.publication
  to kreisfunk_newsroom;
grant update (replaced_by, withdrawn_at) on newsroom.archive_entry to kreisfunk_newsroom;
grant select, insert, update, delete on newsroom.session, newsroom.device, newsroom.login_failure,
  newsroom.recovery_code, newsroom.feedback to kreisfunk_newsroom;
grant select, insert, delete on newsroom.inbox to kreisfunk_newsroom;

-- migrate:down
drop schema newsroom cascade;
