-- migrate:up
do $$
begin
    if not exists (select from pg_roles where rolname = 'kreisfunk_dispatcher') then
        create role kreisfunk_dispatcher nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'kreisfunk_monitor') then
        create role kreisfunk_monitor nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'kreisfunk_operator') then
        create role kreisfunk_operator nologin;
    end if;
end
$$;

-- In the order of the way; a comparison of two states up to 'read' tells which is further.
create type dispatcher.delivery_state as enum (
    'waiting', 'claimed', 'unknown', 'accepted', 'sent', 'delivered', 'read',
    'failed', 'expired', 'cancelled', 'suppressed'
);
create type dispatcher.lane as enum ('reply', 'urgent', 'bulk');

create table dispatcher.broadcast (
    id uuid primary key,
    notice text not null,
    revision integer not null,
    topic text not null,
    lane dispatcher.lane not null,
    template text not null,
    content jsonb not null,
    published_at timestamptz not null,
    expires_at timestamptz not null,
    -- When it may be sent, by the clock of `zone`; null means at any time.
    opens time,
    closes time,
    zone text,
    -- One recipient after the other, `spacing` apart; null means as fast as the rate permits.
    spacing interval,
    paused_reason text,
    audience integer,
    expanded integer not null default 0,
    progressed_at timestamptz not null default '-infinity',
    finished_at timestamptz
);
create index broadcast_unfinished on dispatcher.broadcast (progressed_at) where finished_at is null;

-- How many deliveries of a broadcast are in which state, kept with every change; `slot` spreads the writers.
create table dispatcher.broadcast_count (
    broadcast uuid not null,
    state dispatcher.delivery_state not null,
    slot smallint not null,
    deliveries integer not null,
    primary key (broadcast, state, slot)
) with (fillfactor = 50);

-- Independent of the broadcast's row, since the cancellation may arrive first.
create table dispatcher.cancellation (
    broadcast uuid primary key,
    reason text not null,
    cancelled_at timestamptz not null default clock_timestamp()
);

-- Nothing decided at or before consent number `sequence` may be sent; topic '' stands for all topics.
create table dispatcher.suppression (
    subscriber uuid not null,
    topic text not null,
    sequence integer not null,
    suppressed_at timestamptz not null default clock_timestamp(),
    primary key (subscriber, topic)
);

-- One row for each message to one recipient. The id is derived from (source, subscriber), so the primary key
-- is what makes a second delivery impossible; it begins with the time, so ranges of it are periods.
create table dispatcher.delivery (
    id uuid primary key,
    source uuid not null,
    subscriber uuid,
    sequence integer,
    lane dispatcher.lane not null,
    state dispatcher.delivery_state not null,
    address_kind text not null,
    address_index bytea not null,
    address_sealed bytea not null,
    content jsonb,
    asked_at timestamptz not null,
    expires_at timestamptz not null,
    attempt smallint not null default 1,
    -- How often it went again because the stream of statuses had passed it without a word.
    resends smallint not null default 0,
    resent boolean not null generated always as (resends > 0) stored,
    claimed_at timestamptz not null default clock_timestamp(),
    unknown_at timestamptz,
    due_at timestamptz,
    waits_for text,
    accepted_at timestamptz,
    message_key bytea,
    failed_key bytea,
    error_code integer
) partition by range (id);
create index delivery_due on dispatcher.delivery (lane, due_at) where state = 'waiting';
create index delivery_claimed on dispatcher.delivery (claimed_at) where state = 'claimed';
create index delivery_unknown on dispatcher.delivery (unknown_at) where state = 'unknown';
create index delivery_source on dispatcher.delivery (source);
create index delivery_parked on dispatcher.delivery (source) where state = 'waiting' and due_at = 'infinity';
create table dispatcher.delivery_other partition of dispatcher.delivery default;

-- How far the stream of statuses has come: at `seen_at` there was one of a message claimed at `through`.
create table dispatcher.status_stream (
    number text not null,
    seen_at timestamptz not null,
    through timestamptz not null,
    primary key (number, seen_at)
);

-- The rate of a sending number, shared by all replicas. `next_at` is the first moment that is not taken.
-- Slots planned between two moments (seconds since 1970) of which one was used `late` seconds after its moment.
create type dispatcher.late_use as (starts double precision, ends double precision, late double precision);

create table dispatcher.rate (
    number text primary key,
    next_at timestamptz not null default '-infinity',
    late_uses dispatcher.late_use[] not null default '{}',
    per_second double precision not null,
    ceiling double precision not null,
    changed_at timestamptz not null default clock_timestamp(),
    slowed_at timestamptz not null default '-infinity',
    -- Why nothing is sent at all; one message is tried at `probe_at`, to see whether the cause is gone.
    held_reason text,
    probe_at timestamptz not null default '-infinity',
    -- Meta's tier: different people in any rolling 24 hours; and what we may send in a month. Null: no limit.
    people_a_day integer,
    messages_a_month integer,
    -- Our setting of `people_a_day`, which Meta's word replaces until the setting is changed.
    people_setting integer
) with (fillfactor = 50);

-- Whom we wrote to last at which minute, and how many that are by minute: a person counts once, at the latest.
create table dispatcher.reached (
    address_index bytea primary key,
    minute timestamptz not null
);
create table dispatcher.reached_minute (
    minute timestamptz primary key,
    people integer not null
);
create table dispatcher.sent_month (
    month date primary key,
    messages integer not null
);

-- Templates that Meta does not accept just now; their broadcasts wait.
create table dispatcher.template_hold (
    template text primary key,
    reason text not null,
    held_at timestamptz not null default clock_timestamp()
);

-- What Meta said last about our account, by what it was about.
create table dispatcher.account_news (
    subject text primary key,
    said_at timestamptz not null,
    word text not null
);

-- Recipients that Meta will not reach, until subscriptions has been told.
create table dispatcher.refusal (
    delivery uuid primary key,
    subscriber uuid not null,
    code integer not null,
    told_at timestamptz
);
create index refusal_untold on dispatcher.refusal (delivery) where told_at is null;

-- migrate:down
drop schema dispatcher cascade;
