-- replaces: 20261126000000 20261129000000 20261129000001 20261130000000
-- replaces: 20261201000000 20261205000000 20261207000000 20261208000000
-- migrate:up
-- Roles belong to the server: another database may be migrated at the same moment.
do $$
declare
    name text;
begin
    foreach name in array array['dispatcher', 'subscriptions', 'newsroom', 'monitor', 'operator', 'rotation'] loop
        begin
            execute format('create role kreisfunk_%s nologin', name);
        exception when duplicate_object or unique_violation then null;
        end;
    end loop;
end
$$;

-- In chronological order up to 'read': there the greater of two states is the later one.
create type dispatcher.delivery_state as enum (
    'waiting', 'claimed', 'unknown', 'accepted', 'sent', 'delivered', 'read',
    'failed', 'expired', 'cancelled', 'suppressed'
);
create type dispatcher.lane as enum ('reply', 'urgent', 'bulk');
create type dispatcher.wait_cause as enum (
    'rate', 'again', 'slower', 'pair', 'sender', 'template', 'resume', 'hours', 'spread', 'people', 'budget'
);

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
    opens time,
    closes time,
    zone text,
    spacing interval,
    paused_reason text,
    audience integer,
    expanded integer not null default 0,
    progressed_at timestamptz not null default '-infinity',
    progress jsonb,
    finished_at timestamptz,
    awaited_at timestamptz not null default now()
);
create index broadcast_unfinished on dispatcher.broadcast (progressed_at) where finished_at is null;
comment on table dispatcher.broadcast is 'broadcasts to send, and how far each is';
comment on column dispatcher.broadcast.id is 'id of the broadcast';
comment on column dispatcher.broadcast.notice is 'id of the notice';
comment on column dispatcher.broadcast.revision is 'revision of the notice';
comment on column dispatcher.broadcast.topic is 'topic of the notice';
comment on column dispatcher.broadcast.lane is 'urgent or bulk';
comment on column dispatcher.broadcast.template is 'name of the WhatsApp template, which may be paused';
comment on column dispatcher.broadcast.content is 'body of the request to Meta, without the recipient';
comment on column dispatcher.broadcast.published_at is 'when it begins';
comment on column dispatcher.broadcast.expires_at is 'no message is sent from then on';
comment on column dispatcher.broadcast.opens is 'time of day from which it may be sent; null means at any time';
comment on column dispatcher.broadcast.closes is 'time of day until which it may be sent; null with opens';
comment on column dispatcher.broadcast.zone is 'time zone of opens and closes; null with opens';
comment on column dispatcher.broadcast.spacing is
    'interval between two recipients; null means as fast as the rate permits';
comment on column dispatcher.broadcast.paused_reason is 'why it is paused; null unless paused';
comment on column dispatcher.broadcast.audience is 'number of all recipients; null until it is known';
comment on column dispatcher.broadcast.expanded is 'number of recipients received so far';
comment on column dispatcher.broadcast.progressed_at is 'when its progress was last published';
comment on column dispatcher.broadcast.progress is
    'progress as last published: deliveries by state, and the audience; null before the first';
comment on column dispatcher.broadcast.finished_at is
    'when its last delivery got a final state; null while it is under way';
-- While nothing is sent, pages wait in their lane; afterwards they come one after another.
comment on column dispatcher.broadcast.awaited_at is 'when a page last came, or waited because nothing was sent';

create table dispatcher.broadcast_count (
    broadcast uuid not null,
    state dispatcher.delivery_state not null,
    slot smallint not null,
    deliveries integer not null,
    primary key (broadcast, state, slot)
) with (fillfactor = 50);
comment on table dispatcher.broadcast_count is
    'number of deliveries of a broadcast in each state; updated in the same statement as the deliveries';
comment on column dispatcher.broadcast_count.broadcast is 'broadcast.id';
comment on column dispatcher.broadcast_count.state is 'state of the deliveries';
comment on column dispatcher.broadcast_count.slot is
    'slot of the writer, so that writers do not wait for each other; the count is the sum over all slots';
comment on column dispatcher.broadcast_count.deliveries is 'number of deliveries; may be negative in a single slot';

-- No reference to broadcast, since the cancellation may arrive before the first recipients.
create table dispatcher.cancellation (
    broadcast uuid primary key,
    reason text not null,
    cancelled_at timestamptz not null default clock_timestamp()
);
comment on table dispatcher.cancellation is 'broadcasts that were cancelled: nothing more of them is sent';
comment on column dispatcher.cancellation.broadcast is 'broadcast.id, whose row may not exist yet';
comment on column dispatcher.cancellation.reason is 'why it was cancelled';
comment on column dispatcher.cancellation.cancelled_at is 'when the cancellation was stored';

create table dispatcher.suppression (
    subscriber uuid not null,
    topic text not null,
    sequence integer not null,
    suppressed_at timestamptz not null default clock_timestamp(),
    primary key (subscriber, topic)
);
comment on table dispatcher.suppression is 'withdrawn consents: no delivery that is based on an older one is sent';
comment on column dispatcher.suppression.subscriber is 'internal id of the person';
comment on column dispatcher.suppression.topic is 'topic that was withdrawn; empty means all topics';
comment on column dispatcher.suppression.sequence is
    'number of the withdrawal; suppresses deliveries whose sequence is not greater';
comment on column dispatcher.suppression.suppressed_at is
    'when the withdrawal was stored; the retention period begins here';

-- The id is derived from (source, subscriber), so the primary key makes a second delivery to the same recipient
-- impossible. The id begins with the time, so a range of ids is a period.
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
    claim integer not null default 0,
    resends smallint not null default 0,
    claimed_at timestamptz not null default clock_timestamp(),
    answer_by timestamptz,
    unknown_at timestamptz,
    due_at timestamptz,
    waits_for dispatcher.wait_cause,
    message_key bytea,
    failed_keys bytea[],
    error_code integer,
    check ((state = 'waiting') = (waits_for is not null) and (state = 'waiting' or due_at is null)),
    check ((state = 'claimed') = (answer_by is not null) and (state = 'unknown') = (unknown_at is not null))
) partition by range (id);
-- No index contains `state`: a status update changes no index entry, and the new row version stays on its page (HOT).
create index delivery_due on dispatcher.delivery (lane, due_at) where due_at is not null;
create index delivery_claimed on dispatcher.delivery (answer_by) where answer_by is not null;
create index delivery_unknown on dispatcher.delivery (unknown_at) where unknown_at is not null;
create index delivery_waiting on dispatcher.delivery (source, waits_for, due_at) where waits_for is not null;
create index delivery_limited on dispatcher.delivery (waits_for, due_at, lane, id)
    where waits_for in ('people', 'budget');
-- A reply is found by its address, a broadcast's delivery by its derived id.
create index delivery_reply on dispatcher.delivery (address_index) where subscriber is null and address_index <> '';
-- Failures by code. A status without an error changes no entry, so it stays a HOT update.
create index delivery_error on dispatcher.delivery (source, error_code) where error_code is not null;
create table dispatcher.delivery_other partition of dispatcher.delivery default with (fillfactor = 70);
comment on table dispatcher.delivery_other is 'deliveries whose id lies in none of the weekly partitions';
comment on table dispatcher.delivery is 'ledger: one row for each message to one recipient';
comment on column dispatcher.delivery.id is 'derived from source and subscriber; begins with the time';
comment on column dispatcher.delivery.source is 'broadcast.id, or for a reply its own id';
comment on column dispatcher.delivery.subscriber is 'internal id of the person; null for a reply';
comment on column dispatcher.delivery.sequence is 'number of the consent that it is based on; null for a reply';
comment on column dispatcher.delivery.lane is 'reply, urgent or bulk';
comment on column dispatcher.delivery.state is 'how far it has come, or why it was never sent';
comment on column dispatcher.delivery.address_kind is 'phone or user (BSUID)';
comment on column dispatcher.delivery.address_index is
    'blind index of the address; empty if it is never sent, and once an erasure or retention removed it';
comment on column dispatcher.delivery.address_sealed is 'encrypted address; empty with address_index';
comment on column dispatcher.delivery.content is
    'body of a reply until it is sent or expired, at most a day longer; null for a broadcast''s delivery';
comment on column dispatcher.delivery.asked_at is 'when it was requested';
comment on column dispatcher.delivery.expires_at is 'it is not sent from then on';
comment on column dispatcher.delivery.attempt is
    'number of the current attempt, from 1; hitting a rate limit is not an attempt';
comment on column dispatcher.delivery.claim is
    'how often the row was claimed; only the newest claim may record a result';
comment on column dispatcher.delivery.resends is
    'how often it was sent again although Meta may have an earlier message: its outcome was unknown, or given up by hand';
comment on column dispatcher.delivery.claimed_at is 'when the row was claimed last; until then, when it was inserted';
comment on column dispatcher.delivery.answer_by is
    'when the outcome becomes unknown unless a result is recorded; null unless claimed';
comment on column dispatcher.delivery.unknown_at is 'when the outcome became unknown; null unless unknown';
comment on column dispatcher.delivery.due_at is
    'when it may be claimed; null unless waiting, and while suspended until what it waits for has happened';
comment on column dispatcher.delivery.waits_for is 'why it waits; null unless waiting';
comment on column dispatcher.delivery.message_key is 'keyed hash of Meta''s message id; null until accepted';
comment on column dispatcher.delivery.failed_keys is
    'message keys that Meta reported as failed; repeated webhooks about them change nothing; null if none';
comment on column dispatcher.delivery.error_code is 'Meta''s code of the newest failure; null if none';

create table dispatcher.status_stream (
    number text not null,
    seen_at timestamptz not null,
    arrived_at timestamptz not null default clock_timestamp(),
    through timestamptz not null,
    primary key (number, seen_at)
);
comment on table dispatcher.status_stream is
    'progress of Meta''s status webhooks: at seen_at a status of a message claimed at through was read';
comment on column dispatcher.status_stream.number is 'Meta''s id of the sending phone number';
comment on column dispatcher.status_stream.seen_at is 'when the status was read';
comment on column dispatcher.status_stream.arrived_at is 'when the ingress got it; it may have waited since';
comment on column dispatcher.status_stream.through is
    'when the message of the status was claimed; of several the newest; -infinity for a mark of our own';

-- Slots planned between two times (seconds since 1970), one of which was used `late` seconds after its time.
create type dispatcher.late_use as (starts double precision, ends double precision, late double precision);

create table dispatcher.rate (
    number text primary key,
    next_at timestamptz not null default '-infinity',
    late_uses dispatcher.late_use[] not null default '{}',
    per_second double precision not null,
    ceiling double precision not null,
    changed_at timestamptz not null default clock_timestamp(),
    slowed_at timestamptz not null default '-infinity',
    paused_reason text,
    paused_by_operator boolean not null default false,
    probe_at timestamptz not null default '-infinity',
    people_a_day integer,
    messages_a_month integer,
    people_setting integer
) with (fillfactor = 50);
comment on table dispatcher.rate is 'rate and limits of a sending phone number, shared by all replicas';
comment on column dispatcher.rate.number is 'Meta''s id of the phone number';
comment on column dispatcher.rate.next_at is 'first time that is not reserved yet';
comment on column dispatcher.rate.late_uses is 'slots that were used late in the last seconds';
comment on column dispatcher.rate.per_second is 'current rate in messages per second, as of changed_at';
comment on column dispatcher.rate.ceiling is 'highest rate in messages per second';
comment on column dispatcher.rate.changed_at is 'when per_second was computed';
comment on column dispatcher.rate.slowed_at is 'when the rate was last reduced because Meta asked for it';
comment on column dispatcher.rate.paused_reason is 'why nothing is sent; null unless sending is paused';
comment on column dispatcher.rate.paused_by_operator is
    'whether an operator paused sending: then no probe is sent, and only an operator resumes';
comment on column dispatcher.rate.probe_at is
    'when the next probe may be sent during a pause: one message that shows whether the cause is gone';
comment on column dispatcher.rate.people_a_day is 'Meta''s tier: different people in any 24 hours; null means no limit';
comment on column dispatcher.rate.messages_a_month is 'messages that may be sent in a month; null means no limit';
comment on column dispatcher.rate.people_setting is
    'our setting of people_a_day, which a report from Meta overrides until it changes; null: no limit, 0: one is beginning';

create table dispatcher.unreachable (
    replica text primary key,
    number text not null,
    reason text not null,
    since timestamptz not null,
    said_at timestamptz not null default clock_timestamp()
);
comment on table dispatcher.unreachable is
    'replicas that get no answer from Meta; each updates its row every second, so an older row is outdated';
comment on column dispatcher.unreachable.replica is 'host and process of the replica';
comment on column dispatcher.unreachable.number is 'Meta''s id of the sending phone number';
comment on column dispatcher.unreachable.reason is 'latest error';
comment on column dispatcher.unreachable.since is 'when Meta last stopped answering';
comment on column dispatcher.unreachable.said_at is 'when the row was last updated';

-- Each person counts once, in the minute of the latest message.
create table dispatcher.reached (
    subscriber uuid primary key,
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
comment on table dispatcher.reached is
    'people who were sent a message in the last 24 hours; filled only if people a day are limited';
comment on column dispatcher.reached.subscriber is 'internal id of the person';
comment on column dispatcher.reached.minute is 'minute of the latest message';
comment on table dispatcher.reached_minute is 'sums of reached by minute';
comment on column dispatcher.reached_minute.minute is 'minute';
comment on column dispatcher.reached_minute.people is 'people whose latest message was in this minute';
comment on table dispatcher.sent_month is 'messages of each month; filled only while they are limited';
comment on column dispatcher.sent_month.month is 'first day of the month, in the time zone Europe/Berlin';
comment on column dispatcher.sent_month.messages is 'messages claimed for the first time';

create table dispatcher.template_pause (
    template text primary key,
    reason text not null,
    paused_at timestamptz not null default clock_timestamp()
);
comment on table dispatcher.template_pause is 'templates that Meta does not accept at present; their broadcasts wait';
comment on column dispatcher.template_pause.template is 'name of the template';
comment on column dispatcher.template_pause.reason is 'why it is paused';
comment on column dispatcher.template_pause.paused_at is 'when it was paused';

create table dispatcher.account_update (
    subject text primary key,
    said_at timestamptz not null,
    word text not null
);
comment on table dispatcher.account_update is
    'newest report from Meta about each subject of our account; older and repeated ones are ignored';
comment on column dispatcher.account_update.subject is 'what the report is about, such as a template';
comment on column dispatcher.account_update.said_at is 'when Meta reported it, by Meta''s clock';
comment on column dispatcher.account_update.word is 'the report, as text';

create table dispatcher.refusal (
    delivery uuid primary key,
    subscriber uuid not null,
    code integer not null,
    told_at timestamptz
);
create index refusal_untold on dispatcher.refusal (delivery) where told_at is null;
comment on table dispatcher.refusal is 'recipients that Meta does not reach, to be reported to subscriptions';
comment on column dispatcher.refusal.delivery is 'delivery.id';
comment on column dispatcher.refusal.subscriber is 'internal id of the person';
comment on column dispatcher.refusal.code is 'Meta''s error code';
comment on column dispatcher.refusal.told_at is 'when it was reported to subscriptions; null until then';

-- The earlier broadcast's deliveries are read in passes as long as it is under way; the last pass is the first one that
-- began after its end. A resend of it, or a status that proves one given up to be delivered, begins them anew.
create table dispatcher.follow_up (
    broadcast uuid not null references dispatcher.broadcast,
    follows uuid not null,
    position uuid not null,
    since timestamptz not null default '-infinity',
    began_at timestamptz not null default clock_timestamp(),
    last boolean not null default false,
    look_at timestamptz not null default clock_timestamp(),
    done_at timestamptz,
    primary key (broadcast, follows)
);
create index follow_up_open on dispatcher.follow_up (look_at) where done_at is null;
comment on table dispatcher.follow_up is
    'broadcasts to the recipients of an earlier one, and how far the earlier one''s deliveries have been read';
comment on column dispatcher.follow_up.broadcast is 'broadcast.id of the follow-up';
comment on column dispatcher.follow_up.follows is 'broadcast.id of the earlier one';
comment on column dispatcher.follow_up.position is
    'last delivery.id read in this pass; overwritten at the end, so that it identifies nobody';
comment on column dispatcher.follow_up.since is
    'only deliveries claimed after this are read; an earlier pass has read the others';
comment on column dispatcher.follow_up.began_at is 'when this pass began';
comment on column dispatcher.follow_up.last is 'whether this is the last pass';
comment on column dispatcher.follow_up.look_at is 'when to read on';
comment on column dispatcher.follow_up.done_at is 'when the last pass ended; null while it is under way';

create table dispatcher.erasure (
    id uuid primary key,
    subscribers uuid[] not null,
    indexes bytea[] not null,
    user_index bytea,
    user_sealed bytea,
    asked_at timestamptz not null default clock_timestamp(),
    tried_at timestamptz not null default '-infinity'
);
comment on table dispatcher.erasure is 'erasures under way; the row is deleted with the person''s last address';
comment on column dispatcher.erasure.id is 'id of the erasure';
comment on column dispatcher.erasure.subscribers is 'internal ids of the person';
comment on column dispatcher.erasure.indexes is 'blind indexes of the person''s addresses';
comment on column dispatcher.erasure.user_index is
    'blind index of the WhatsApp user id; null without one, or once the contact was deleted at Meta';
comment on column dispatcher.erasure.user_sealed is
    'encrypted WhatsApp user id, for deleting the contact at Meta; null with user_index';
comment on column dispatcher.erasure.asked_at is 'when the erasure was requested';
comment on column dispatcher.erasure.tried_at is 'when it was last attempted';

create table dispatcher.restore (
    lost_at timestamptz primary key,
    saved_at timestamptz not null,
    restored_at timestamptz not null default clock_timestamp(),
    keys_confirmed_at timestamptz
);
comment on table dispatcher.restore is
    'restores of a backup: what was to be sent before lost_at may have been sent without a record (decision 0032)';
comment on column dispatcher.restore.lost_at is 'from then on nothing was sent until the restore';
comment on column dispatcher.restore.saved_at is 'everything up to then is in the backup';
comment on column dispatcher.restore.restored_at is 'when it was restored';
comment on column dispatcher.restore.keys_confirmed_at is
    'since then the keys are known to fit; before, no message is handled and sending is not resumed';

-- Returns the state after an acceptance, a status or a failure. A test compares it with a model.
create function dispatcher.advance(old dispatcher.delivery_state, new dispatcher.delivery_state)
returns dispatcher.delivery_state language sql immutable parallel safe as $$
    select case
        when new = 'failed' then case when old in ('delivered', 'read') or old > 'failed' then old else new end
        when old = 'failed' then case when new in ('delivered', 'read') then new else old end
        when old > 'failed' then new
        else greatest(old, new)
    end
$$;

-- Records that statuses which the ingress got at `arrived` are being read, the newest of a message claimed at `through`
-- (null for a mark of our own); at most four times a second unless they are of newer messages.
create function dispatcher.note_stream(sender text, arrived timestamptz, through timestamptz) returns void
language sql as $$
    insert into dispatcher.status_stream (number, seen_at, arrived_at, through)
    select sender, clock_timestamp(), least(arrived, clock_timestamp()), coalesce(note_stream.through, '-infinity')
    from (
        select max(s.through) as through from dispatcher.status_stream s
        where s.number = sender and s.seen_at > statement_timestamp() - interval '250 milliseconds'
    ) newest
    where coalesce(note_stream.through > newest.through, newest.through is null)
    on conflict do nothing
$$;

-- Returns how far the stream of statuses had come `grace` seconds ago: a status of a message claimed well before would be
-- here by now. That holds only if all that arrived within the grace time has been read: something newer was, so long ago
-- (`margin`) that what was delivered together with it is stored. Statuses that nobody reads wait, and prove nothing.
create function dispatcher.passed(sender text, grace double precision, margin double precision) returns timestamptz
language sql stable as $$
    select max(s.through) from dispatcher.status_stream s
    where s.number = sender and s.seen_at < statement_timestamp() - make_interval(secs => grace) and s.arrived_at <= (
        select max(r.arrived_at) - make_interval(secs => grace) from dispatcher.status_stream r
        where r.number = sender and r.seen_at > statement_timestamp() - interval '1 hour'
            and r.seen_at < statement_timestamp() - make_interval(secs => least(grace, margin)))
$$;

-- Updates the counters for these changes, always in the same order, so that writers cannot deadlock; returns the number
-- of changes. A new delivery has no old state; a reply belongs to no broadcast and has no counter.
create function dispatcher.count_changes(
    slot integer, broadcasts uuid[], old_states dispatcher.delivery_state[], new_states dispatcher.delivery_state[]
) returns integer language plpgsql as $$
#variable_conflict use_column
begin
    insert into dispatcher.broadcast_count as n (broadcast, state, slot, deliveries)
    select c.broadcast, m.state, count_changes.slot, sum(m.deliveries)
    from unnest(broadcasts, old_states, new_states) as c (broadcast, old_state, new_state),
        lateral (values (c.old_state, -1), (c.new_state, 1)) as m (state, deliveries)
    where c.broadcast is not null and m.state is not null
    group by 1, 2 having sum(m.deliveries) <> 0 order by 1, 2
    on conflict (broadcast, state, slot) do update set deliveries = n.deliveries + excluded.deliveries;
    return coalesce(cardinality(new_states), 0);
end
$$;

-- Returns the first time at or after `moment` when a broadcast may be sent, by the wall clock of `zone`. A test
-- compares it with its twin in shared/contracts/hours.py.
create function dispatcher.opening(opens time, closes time, zone text, moment timestamptz)
returns timestamptz language sql stable parallel safe as $$
    select case
        when opens is null then moment
        when (moment at time zone zone)::time < opens then ((moment at time zone zone)::date + opens) at time zone zone
        when (moment at time zone zone)::time >= closes
        then ((moment at time zone zone)::date + 1 + opens) at time zone zone
        else moment end
$$;

-- Returns the time at which a broadcast may be sent for `waited` seconds, counted from `moment` and by the permitted hours
-- only. A test compares it with its twin in shared/contracts/hours.py.
create function dispatcher.turn(
    opens time, closes time, zone text, moment timestamptz, waited double precision
) returns timestamptz language sql stable parallel safe as $$
    with first as (
        select o.opening, o.opening at time zone zone as local, extract(epoch from closes - opens)::float8 as day
        from (select dispatcher.opening(opens, closes, zone, moment) as opening) o
    ), counted as (
        select *, extract(epoch from local::time - opens)::float8 + waited as seconds from first
    )
    select case when opens is null or seconds < day then opening + make_interval(secs => waited)
        else (local::date + floor(seconds / day)::integer + opens
            + make_interval(secs => seconds - floor(seconds / day) * day)) at time zone zone end
    from counted
$$;

-- Decides whether a delivery may be sent now, and if it has to wait, why and until when (null: until the cause is
-- gone). `ordinal` is the recipient's number in the broadcast; null if the recipient's turn has already come.
-- A spread begins and goes on with the permitted hours, as the estimate says: the turns of a night, or of the time before
-- the first opening, would be due together when it ends.
create function dispatcher.judge(b dispatcher.broadcast, person uuid, consent integer, ordinal integer)
returns table (state dispatcher.delivery_state, due_at timestamptz, waits_for dispatcher.wait_cause)
language sql stable as $$
    with moment as (
        select now, dispatcher.opening(b.opens, b.closes, b.zone, now) as opens,
            case when b.spacing is not null then dispatcher.turn(b.opens, b.closes, b.zone, b.published_at,
                extract(epoch from b.spacing)::float8 * ordinal) end as turn,
            exists (select from dispatcher.template_pause h where h.template = b.template) as held
        from (select clock_timestamp() as now) clock
    ), judged as (
        select *, case
            when exists (select from dispatcher.cancellation x where x.broadcast = b.id) then 'cancelled'
            when b.expires_at <= now then 'expired'
            when exists (
                select from dispatcher.suppression s
                where s.subscriber = person and s.topic in ('', b.topic) and s.sequence >= consent
            ) then 'suppressed'
            when b.paused_reason is not null or held or opens > now or turn > now then 'waiting'
            else 'claimed' end as state
        from moment
    )
    select state::dispatcher.delivery_state,
        case when state = 'waiting' and (turn > now or b.paused_reason is null and not held)
            then greatest(opens, turn) end,
        case when state <> 'waiting' then null when turn > now then 'spread' when b.paused_reason is not null
            then 'resume' when held then 'template' else 'hours' end::dispatcher.wait_cause
    from judged
$$;

-- Decides as `judge` does for a recipient without a row: if a restore may have lost the row, the outcome is unknown.
create function dispatcher.judge_new(b dispatcher.broadcast, person uuid, consent integer, ordinal integer)
returns table (state dispatcher.delivery_state, due_at timestamptz, waits_for dispatcher.wait_cause)
language sql stable as $$
    select case when lost then 'unknown' else v.state end, case when not lost then v.due_at end,
        case when not lost then v.waits_for end
    from dispatcher.judge(b, person, consent, ordinal) v, lateral (
        select v.state in ('claimed', 'waiting')
            and exists (select from dispatcher.restore r where r.lost_at > b.published_at) as lost) l
$$;

-- Returns by how many seconds the use of slots planned from `begins` to `ends` is delayed because slots one second
-- earlier were used late. Two slots that are as many slots apart as the limit has messages per second are then used at
-- least one second apart, even if the first one was late. A delayed slot is itself late, but by 3 ms less, so lateness
-- fades and costs no throughput (decision 0007).
create function dispatcher.shift(
    late_uses dispatcher.late_use[], begins double precision, ends double precision
) returns double precision language sql immutable parallel safe as $$
    select coalesce(max(u.late), 0.003) - 0.003 from unnest(late_uses) u
    where u.late > 0.003 and u.starts <= shift.ends - 1 and u.ends >= shift.begins - 1 - u.late
$$;

-- Reserves slots of the shared rate (GCRA): advances `next_at`, and returns when the first slot is planned and by how
-- much the use of all of them is delayed. If the delay exceeds 0.25 s, the plan is moved instead. Times are in seconds
-- since 1970 by the server's clock, whose current time is `clock`. Unused time is not saved up. A rate that Meta made
-- us reduce recovers by 1/50 of the ceiling per second. While sending is paused, one slot is granted when the next
-- probe is due, which shows whether the cause is gone; otherwise none, and `planned` is when to ask again.
create function dispatcher.reserve(sender text, wanted integer)
returns table (
    slots integer, planned double precision, shift double precision, clock double precision,
    spacing_seconds double precision, rate_per_second double precision, paused_reason text
) language plpgsql as $$
declare
    row_then dispatcher.rate;
begin
    select * into strict row_then from dispatcher.rate r where r.number = sender for update;
    rate_per_second := least(row_then.ceiling, row_then.per_second
        + row_then.ceiling / 50 * greatest(0, extract(epoch from clock_timestamp() - row_then.changed_at)));
    spacing_seconds := 1 / rate_per_second;
    -- Times that far ahead are those of a clock that was set back since: waiting for them would stop all sending.
    if row_then.next_at > clock_timestamp() + make_interval(secs => 60 + 100 * spacing_seconds) then
        row_then.next_at := clock_timestamp();
    end if;
    if row_then.probe_at > clock_timestamp() + interval '2 minutes' and not row_then.paused_by_operator then
        row_then.probe_at := clock_timestamp();
    end if;
    paused_reason := row_then.paused_reason;
    shift := 0;
    if paused_reason is not null then
        slots := case when row_then.probe_at <= clock_timestamp() then 1 else 0 end;
        planned := extract(epoch from greatest(row_then.probe_at, clock_timestamp()));
        update dispatcher.rate r set probe_at = clock_timestamp() + interval '30 seconds'
        where r.number = sender and slots > 0;
    else
        slots := wanted;
        planned := extract(epoch from greatest(row_then.next_at, clock_timestamp()));
        shift := dispatcher.shift(row_then.late_uses, planned, planned + slots * spacing_seconds);
        if shift > 0.25 then
            planned := planned + shift;
            shift := 0;
        end if;
        update dispatcher.rate r
        set next_at = to_timestamp(planned + slots * spacing_seconds), per_second = rate_per_second,
            changed_at = greatest(r.changed_at, clock_timestamp())
        where r.number = sender;
    end if;
    clock := extract(epoch from clock_timestamp());
    return next;
end
$$;

-- Records that a slot was used late, so that the slots one second later are delayed: otherwise one second would contain
-- too many messages.
create function dispatcher.report_late_use(
    sender text, starts double precision, ends double precision, late double precision
) returns void language sql as $$
    update dispatcher.rate r set late_uses = array(
        select u from unnest(r.late_uses) u where u.ends > extract(epoch from clock_timestamp()) - 1.4
    ) || row(starts, ends, late)::dispatcher.late_use
    where r.number = sender
$$;

-- Makes all replicas wait for `pause` seconds and then send more slowly, by `factor`. The rate is reduced at most once
-- a second, even if several replicas report. Returns whether this call reduced it.
create function dispatcher.throttle(sender text, factor double precision, pause double precision)
returns boolean language plpgsql as $$
begin
    update dispatcher.rate r set next_at = greatest(r.next_at, clock_timestamp() + make_interval(secs => pause))
    where r.number = sender;
    update dispatcher.rate r
    set per_second = greatest(r.ceiling / 20, r.per_second * factor), slowed_at = clock_timestamp(),
        changed_at = clock_timestamp()
    where r.number = sender and r.slowed_at < clock_timestamp() - interval '1 second';
    return found;
end
$$;

-- Pauses sending, except for a probe after `seconds` and then every 30 seconds, until one is accepted or an operator
-- resumes. Returns whether sending was not paused before.
create function dispatcher.pause_by_meta(sender text, why text, seconds double precision)
returns boolean language plpgsql as $$
declare
    paused_before boolean;
begin
    select r.paused_reason is not null into strict paused_before from dispatcher.rate r where r.number = sender for update;
    update dispatcher.rate r
    set paused_reason = coalesce(r.paused_reason, why),
        probe_at = case when paused_before
            then greatest(r.probe_at, clock_timestamp() + make_interval(secs => seconds))
            else clock_timestamp() + make_interval(secs => seconds) end
    where r.number = sender and not r.paused_by_operator;
    return not paused_before;
end
$$;

-- Resumes sending unless an operator paused it. Returns whether that ended a pause.
create function dispatcher.resume_by_meta(sender text) returns boolean language plpgsql as $$
begin
    update dispatcher.rate r set paused_reason = null
    where r.number = sender and r.paused_reason is not null and not r.paused_by_operator;
    return found;
end
$$;

-- Applies a limit of people that Meta reports (null: none) unless we have set none. Returns whether it lowered ours.
create function dispatcher.limit_by_meta(sender text, people integer) returns boolean language sql as $$
    with before as (select people_a_day from dispatcher.rate where number = sender for update)
    update dispatcher.rate r set people_a_day = people
    from before where r.number = sender and r.people_setting is not null
    returning coalesce(people < before.people_a_day, people is not null)
$$;

create function dispatcher.this_month() returns date language sql stable as $$
    select date_trunc('month', clock_timestamp() at time zone 'Europe/Berlin')::date
$$;

-- Returns how many more different people and how many more messages the limits allow now; null means no limit.
create function dispatcher.allowance(sender text)
returns table (people integer, messages integer) language sql stable as $$
    select r.people_a_day - (
            select coalesce(sum(m.people), 0) from dispatcher.reached_minute m
            where m.minute > clock_timestamp() - interval '24 hours 1 minute')::integer,
        r.messages_a_month - coalesce((
            select s.messages from dispatcher.sent_month s where s.month = dispatcher.this_month()), 0)
    from dispatcher.rate r where r.number = sender
$$;

-- Returns those of the claims, in this order, that a limit forbids, and which limit. The others are counted: a person
-- once in 24 hours, in the minute of the latest message; a message once, at its first claim. Calls are serialized by
-- locking the number's row first, and as the function is volatile, each sees what earlier calls have committed.
create function dispatcher.limit_claims(sender text, ids uuid[], subscribers uuid[], first_claims boolean[])
returns table (id uuid, waits_for dispatcher.wait_cause) language plpgsql volatile as $$
#variable_conflict use_column
declare
    people_left integer;
    messages_left integer;
    this_minute timestamptz;
    causes dispatcher.wait_cause[];
begin
    perform from dispatcher.rate r where r.number = sender for update;
    select a.people, a.messages into people_left, messages_left from dispatcher.allowance(sender) a;
    this_minute := date_trunc('minute', clock_timestamp());
    with wanted as (
        select c.*, people_left is not null and not exists (
            select from dispatcher.reached r
            where r.subscriber = c.subscriber and r.minute > clock_timestamp() - interval '24 hours 1 minute'
        ) as fresh
        from unnest(ids, subscribers, first_claims) with ordinality as c (id, subscriber, is_first, place)
    ), numbered as (
        select *, sum(fresh::int) over (order by place) as people, sum(is_first::int) over (order by place) as messages
        from wanted
    )
    select array_agg(case when fresh and people > people_left then 'people'
        when is_first and messages > messages_left then 'budget' end::dispatcher.wait_cause order by place) into causes
    from numbered;
    if people_left is not null then
        with person as (
            select distinct c.subscriber from unnest(subscribers, causes) as c (subscriber, cause)
            where c.cause is null
        ), moved as (
            select r.minute, -count(*) as people
            from dispatcher.reached r join person using (subscriber) group by r.minute
            union all select this_minute, count(*) from person having count(*) > 0
        ), noted as (
            insert into dispatcher.reached (subscriber, minute) select subscriber, this_minute from person
            on conflict (subscriber) do update set minute = excluded.minute
        )
        insert into dispatcher.reached_minute as m (minute, people)
        select minute, sum(people) from moved group by minute
        on conflict (minute) do update set people = m.people + excluded.people;
    end if;
    if messages_left is not null then
        insert into dispatcher.sent_month as s (month, messages)
        select dispatcher.this_month(), count(*) from unnest(first_claims, causes) as c (is_first, cause)
        where c.is_first and c.cause is null having count(*) > 0
        on conflict (month) do update set messages = s.messages + excluded.messages;
    end if;
    return query select c.id, c.cause from unnest(ids, causes) as c (id, cause) where c.cause is not null;
end
$$;

-- Bounds of ids (see shared/contracts/ids.py): the lowest id that can be made at or after `moment`, and the lowest and
-- highest that can be derived from `source`.
create function dispatcher.lowest_id(moment timestamptz) returns uuid language sql immutable parallel safe as $$
    select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
create function dispatcher.first_id(source uuid) returns uuid language sql immutable parallel safe as $$
    select (left(source::text, 13) || '-0000-0000-000000000000')::uuid
$$;
create function dispatcher.last_id(source uuid) returns uuid language sql immutable parallel safe as $$
    select (left(source::text, 13) || '-ffff-ffff-ffffffffffff')::uuid
$$;

-- Notes who was sent a message in the last 24 hours, the latest ones, as many as the limit: without one nobody was noted,
-- and under a lower one not all. Claims that begin now wait for the number's row; only what was under way may be missed.
-- Broadcasts are read one by one (offset 0), so that only their weeks are read.
create function dispatcher.note_reached() returns trigger language plpgsql as $$
begin
    insert into dispatcher.reached as r (subscriber, minute)
    select d.subscriber, date_trunc('minute', max(d.claimed_at))
    from dispatcher.broadcast b, lateral (
        select d.subscriber, d.claimed_at from dispatcher.delivery d
        where d.id between dispatcher.first_id(b.id) and dispatcher.last_id(b.id) and d.source = b.id
            and d.subscriber is not null and d.claim > 0
            and d.claimed_at > clock_timestamp() - interval '24 hours 1 minute' offset 0) d
    where b.finished_at is null or b.finished_at > clock_timestamp() - interval '25 hours'
    group by d.subscriber order by max(d.claimed_at) desc limit new.people_a_day
    on conflict (subscriber) do update set minute = greatest(r.minute, excluded.minute);
    delete from dispatcher.reached_minute;
    insert into dispatcher.reached_minute (minute, people)
    select r.minute, count(*) from dispatcher.reached r group by r.minute;
    return null;
end
$$;
create trigger limit_rises after update of people_a_day on dispatcher.rate for each row
    when (new.people_a_day > coalesce(old.people_a_day, 0)) execute function dispatcher.note_reached();

-- Sets the limits of a number; null leaves a limit as it is. A report from Meta counts until the setting changes. From the
-- commit on claims wait for the number's row, also for as long as note_reached takes.
create procedure dispatcher.set_limits(sender text, people integer, messages integer) language plpgsql as $$
begin
    update dispatcher.rate r set people_setting = 0
    where r.number = sender and r.people_setting is null and people is not null;
    commit;
    update dispatcher.rate r
    set people_a_day = case when r.people_setting = people then r.people_a_day else coalesce(people, r.people_a_day) end,
        people_setting = coalesce(people, r.people_setting),
        messages_a_month = coalesce(messages, r.messages_a_month)
    where r.number = sender;
end
$$;

-- Sets the limits that a replica without them has taken away since; other ones are not a replica's to change.
create procedure dispatcher.keep_limits(sender text, people integer, messages integer) language plpgsql as $$
declare
    row_then dispatcher.rate;
begin
    select * into strict row_then from dispatcher.rate r where r.number = sender;
    call dispatcher.set_limits(sender,
        case when coalesce(row_then.people_setting, 0) = 0 then people end,
        case when row_then.messages_a_month is null then messages end);
end
$$;

-- Sets the rate and the limits of a number when a replica starts; null takes a limit away.
create procedure dispatcher.set_up(sender text, rate double precision, people integer, messages integer)
language plpgsql as $$
begin
    insert into dispatcher.rate as r (number, per_second, ceiling) values (sender, rate, rate)
    on conflict (number) do update set
        ceiling = excluded.ceiling, per_second = least(r.per_second, excluded.ceiling),
        people_a_day = case when people is not null then r.people_a_day end,
        people_setting = case when people is not null then r.people_setting end, messages_a_month = messages;
    call dispatcher.set_limits(sender, people, messages);
end
$$;

-- Creates weekly partitions from two weeks ago to four weeks ahead, with the rights of its owner, since the calling
-- role may create nothing; matching rows of the default partition are moved. Returns whether all exist: if somebody
-- reads the whole table, as a backup does, waiting for the lock would block everybody, so the caller tries again later.
create function dispatcher.ensure_partitions() returns boolean
language plpgsql security definer
set search_path = pg_catalog, dispatcher set timezone = 'UTC' set lock_timeout = '100ms' as $$
declare
    week timestamptz;
    name text;
begin
    if not pg_try_advisory_xact_lock(hashtext('dispatcher.ensure_partitions')) then
        return false;
    end if;
    for week in select generate_series(
        date_trunc('week', now()) - interval '2 weeks',
        now() + interval '4 weeks', interval '1 week')
    loop
        name := 'delivery_' || to_char(week, 'YYYYMMDD');
        if to_regclass('dispatcher.' || name) is null then
            execute format(
                'create table dispatcher.%1$I (like dispatcher.delivery including defaults including constraints)
                with (fillfactor = 70);
                lock table dispatcher.delivery_other in access exclusive mode;
                with moved as (delete from dispatcher.delivery_other where id >= %2$L and id < %3$L returning *)
                insert into dispatcher.%1$I select * from moved;
                alter table dispatcher.delivery attach partition dispatcher.%1$I for values from (%2$L) to (%3$L)',
                name, dispatcher.lowest_id(week), dispatcher.lowest_id(week + interval '1 week'));
        end if;
    end loop;
    return true;
exception when lock_not_available then
    return false;
end
$$;

-- Retention: drops the partitions of weeks that began `days` ago or earlier, so that no row is older; returns their
-- number. `days` must reach further back than ensure_partitions does. A week with a waiting delivery is kept: run
-- end_old_waiting first.
create function dispatcher.drop_old_partitions(days integer) returns integer
language plpgsql security definer
set search_path = pg_catalog, dispatcher set timezone = 'UTC' set lock_timeout = '100ms' as $$
declare
    week text;
    in_use boolean;
    dropped integer := 0;
begin
    if not pg_try_advisory_xact_lock(hashtext('dispatcher.ensure_partitions')) then
        return 0;
    end if;
    for week in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'dispatcher.delivery'::regclass and c.relname ~ '^delivery_[0-9]{8}$'
            and to_date(right(c.relname, 8), 'YYYYMMDD') + days <= now()::date
    loop
        execute format('select exists (select from dispatcher.%I where waits_for is not null)', week) into in_use;
        if not in_use then
            execute format('drop table dispatcher.%I', week);
            dropped := dropped + 1;
        end if;
    end loop;
    return dropped;
exception when lock_not_available then
    return 0;
end
$$;

-- Expires deliveries that still wait when their week is to be dropped: a broadcast may be valid for longer than we may
-- keep addresses. The text of a reply goes when it expires. Returns their number.
create function dispatcher.end_old_waiting(kept interval, step integer) returns integer language sql as $$
    with old as (
        select d.id from dispatcher.delivery d
        where d.waits_for is not null and (
            d.claimed_at < now() - kept or d.tableoid <> 'dispatcher.delivery_other'::regclass
                and d.id < dispatcher.lowest_id(date_trunc('week', now() - kept) + interval '1 week'))
        limit step for update skip locked
    ), changed as (
        update dispatcher.delivery d set state = 'expired', due_at = null, waits_for = null, content = null
        from old where d.id = old.id
        returning case when d.subscriber is not null then d.source end as broadcast, d.state
    )
    select dispatcher.count_changes(32, array_agg(broadcast), array_agg('waiting'::dispatcher.delivery_state),
        array_agg(state)) from changed
$$;

-- Retention of deliveries outside the weekly partitions, because the clock of their message was wrong or their
-- broadcast was scheduled long before. Returns the number of deleted rows.
create function dispatcher.delete_old_strays(kept interval, step integer) returns bigint
language sql security definer set search_path = pg_catalog, dispatcher as $$
    with old as (
        select id from dispatcher.delivery_other where claimed_at < now() - kept and waits_for is null
        order by id limit step for update skip locked
    ), deleted as (
        delete from dispatcher.delivery_other where id in (select id from old) returning true
    )
    select count(*) from deleted
$$;

-- Updates waiting deliveries without claiming them: those of ended broadcasts end, due ones of paused broadcasts are
-- suspended (`due_at` null), and suspended ones whose cause is gone become due. Has to be called again and again, since
-- a claim that saw a pause may commit after the resume. Updates at most `most` rows of each kind; returns how many.
-- What is due is found by statement_timestamp(), which unlike clock_timestamp() can be searched in an index.
create function dispatcher.requeue_waiting(sender text, counter_slot integer, most integer)
returns integer language plpgsql as $$
declare
    causes constant dispatcher.wait_cause[] := enum_range(null::dispatcher.wait_cause);
    allowed record;
    touched integer;
    total integer;
begin
    -- A temporary failure was reported while the broadcast was being finished: it is reopened.
    update dispatcher.broadcast b set finished_at = null
    where b.finished_at > clock_timestamp() - interval '1 hour' and (
        select sum(n.deliveries) from dispatcher.broadcast_count n
        where n.broadcast = b.id and n.state in ('waiting', 'claimed')) > 0;

    with unfinished as (
        select b.id, case when x.broadcast is not null then 'cancelled' when b.expires_at <= clock_timestamp()
                then 'expired' end::dispatcher.delivery_state as ended,
            case when b.paused_reason is not null then 'resume' when h.template is not null
                then 'template' end::dispatcher.wait_cause as stopped,
            dispatcher.opening(b.opens, b.closes, b.zone, clock_timestamp()) as opening
        from dispatcher.broadcast b left join dispatcher.cancellation x on x.broadcast = b.id
            left join dispatcher.template_pause h using (template)
        where b.finished_at is null
    ), doomed as (
        select d.id, u.ended as state, null::timestamptz as due_at, null::dispatcher.wait_cause as waits_for
        from unfinished u join dispatcher.delivery d on d.source = u.id and d.waits_for is not null
        where u.ended is not null and d.subscriber is not null
        limit most for update of d skip locked
    ), parked as (
        -- Only once it is due: a turn that is yet to come outlasts a pause.
        select d.id, d.state, case when u.stopped is null then u.opening end, coalesce(u.stopped, 'hours')
        from unfinished u join dispatcher.delivery d
            on d.source = u.id and d.waits_for = any(causes) and d.due_at <= statement_timestamp()
        where u.ended is null and (u.stopped is not null or u.opening > clock_timestamp())
            and d.subscriber is not null
        limit most for update of d skip locked
    ), woken as (
        select d.id, d.state, clock_timestamp(), 'rate'::dispatcher.wait_cause
        from unfinished u join dispatcher.delivery d
            on d.source = u.id and d.waits_for in ('resume', 'template') and d.due_at is null
        where u.ended is null and u.stopped is null and d.subscriber is not null
        limit most for update of d skip locked
    ), changed as (
        update dispatcher.delivery d set state = c.state, due_at = c.due_at, waits_for = c.waits_for
        from (select * from doomed union all select * from parked union all select * from woken) c
        where d.id = c.id
        returning d.source, d.state
    )
    select dispatcher.count_changes(counter_slot, array_agg(source), array_agg('waiting'::dispatcher.delivery_state),
        array_agg(state)) into total from changed;

    for allowed in
        select v.* from dispatcher.allowance(sender) a,
            lateral (values ('people'::dispatcher.wait_cause, a.people), ('budget', a.messages)) as v (cause, room)
    loop
        -- If the limit is used up, due deliveries that count are suspended, not claimed in vain again and again.
        if allowed.room <= 0 then
            with next as (
                select d.id, d.claim, d.subscriber from dispatcher.delivery d
                where d.lane in ('urgent', 'bulk') and d.due_at <= statement_timestamp() and d.subscriber is not null
                order by d.due_at limit most for update skip locked
            ), chosen as (
                select n.id from next n
                where case allowed.cause when 'budget' then n.claim = 0 else not exists (
                    select from dispatcher.reached r where r.subscriber = n.subscriber
                        and r.minute > clock_timestamp() - interval '24 hours 1 minute') end
            )
            update dispatcher.delivery d set due_at = null, waits_for = allowed.cause from chosen
            where d.id = chosen.id;
        -- Only as many become due as the limit allows: any more would have to be suspended again.
        else
            with chosen as (
                select d.id from dispatcher.delivery d
                where d.waits_for = allowed.cause and d.due_at is null
                order by d.lane, d.id
                limit greatest(0, least(most, allowed.room) - (select count(*) from dispatcher.delivery w
                    where w.waits_for = allowed.cause and w.due_at is not null))
                for update skip locked
            )
            update dispatcher.delivery d set due_at = clock_timestamp() from chosen where d.id = chosen.id;
        end if;
        get diagnostics touched = row_count;
        total := total + touched;
    end loop;

    return total;
end
$$;

-- A test compares this with its twin, delivery_id in shared/contracts/ids.py.
create function dispatcher.delivery_id(source uuid, subscriber uuid) returns uuid
language sql immutable parallel safe as $$
    with hashed as (
        select ('x' || encode(substring(
            sha256('\x00000010'::bytea || uuid_send(source) || '\x00000010'::bytea || uuid_send(subscriber))
            from 1 for 10), 'hex'))::bit(80) as bits
    ), composed as (
        select left(replace(source::text, '-', ''), 12) as milliseconds,
            B'1000' || substring(bits from 7 for 12) as version,
            B'10' || substring(bits from 19 for 62) as variant
        from hashed
    )
    select (milliseconds || lpad(to_hex(version::bit(16)::integer), 4, '0')
        || lpad(to_hex(variant::bit(64)::bigint), 16, '0'))::uuid
    from composed
$$;

-- Returns whether no further recipient can get the broadcast. A claim that did not see the end yet commits shortly
-- after it, so the end must be two seconds ago.
create function dispatcher.is_over(target uuid) returns boolean language sql stable as $$
    with counts as (
        select coalesce(sum(n.deliveries), 0) as known,
            coalesce(sum(n.deliveries) filter (where n.state in ('waiting', 'claimed')), 0) as open
        from dispatcher.broadcast_count n where n.broadcast = target
    )
    select c.open = 0 and (
        exists (
            select from dispatcher.cancellation x
            where x.broadcast = target and x.cancelled_at < clock_timestamp() - interval '2 seconds'
        ) or exists (
            select from dispatcher.broadcast b
            where b.id = target
                and (b.audience = c.known or b.expires_at < clock_timestamp() - interval '2 seconds')
        ))
    from counts c
$$;

-- Returns all deliveries to a person that still have an address.
create function dispatcher.deliveries_to(people uuid[], indexes bytea[]) returns setof uuid language sql stable as $$
    select d.id from dispatcher.delivery d
    where d.subscriber is null and d.address_index <> '' and d.address_index = any(indexes)
    union all
    select d.id
    from dispatcher.broadcast b cross join unnest(people) as person
        join dispatcher.delivery d on d.id = dispatcher.delivery_id(b.id, person)
    where d.address_index <> ''
$$;

-- Erases the addresses of a person who is suppressed, and the text with the address. A reply that is still to be sent, such
-- as the confirmation of the erasure, keeps both until it is sent. Nothing else is sent any more, not even what turns out
-- to be unsent.
create function dispatcher.erase_addresses(people uuid[], indexes bytea[]) returns integer language sql as $$
    with found as (
        select d.id, d.state from dispatcher.delivery d
        where d.id = any(array(select dispatcher.deliveries_to(people, indexes))) and d.state <> 'claimed'
            and (d.subscriber is not null or d.state not in ('waiting', 'unknown') or d.expires_at <= clock_timestamp())
        order by d.id for update
    ), changed as (
        update dispatcher.delivery d
        set address_index = '', address_sealed = '', content = null, due_at = null, waits_for = null,
            state = case when d.state = 'waiting' then 'suppressed' else d.state end
        from found f where d.id = f.id
        returning case when d.subscriber is not null then d.source end as broadcast, f.state as old_state, d.state
    )
    select dispatcher.count_changes(32, array_agg(broadcast), array_agg(old_state), array_agg(state)) from changed
$$;

-- Returns the status of a broadcast; 'template_paused' means that its template is. An expired one may still have
-- deliveries with unknown outcome.
create function dispatcher.standing(target uuid) returns text language sql stable as $$
    select coalesce((
        select case
            when exists (select from dispatcher.cancellation x where x.broadcast = b.id) then 'cancelled'
            when b.finished_at is not null then 'finished'
            when b.expires_at <= clock_timestamp() then 'expired'
            when b.paused_reason is not null then 'paused'
            when exists (select from dispatcher.template_pause h where h.template = b.template) then 'template_paused'
            else 'running' end
        from dispatcher.broadcast b where b.id = target
    ), 'missing')
$$;

-- Each returns the status before the call; an action that is not possible in that status is not performed.
create function dispatcher.pause_broadcast(target uuid, why text) returns text language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with before as materialized (select dispatcher.standing(target)), paused as (
        update dispatcher.broadcast set paused_reason = why from before
        where id = target and standing in ('running', 'template_paused', 'paused')
    )
    select standing from before
$$;

create function dispatcher.resume_broadcast(target uuid) returns text language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with before as materialized (select dispatcher.standing(target)), resumed as (
        update dispatcher.broadcast set paused_reason = null from before where id = target and standing = 'paused'
    )
    select standing from before
$$;

-- One whose pages `may_come` is cancelled before the ledger knows it.
create function dispatcher.cancel_broadcast(target uuid, why text, may_come boolean default false) returns text
language sql security definer set search_path = pg_catalog, dispatcher as $$
    with before as materialized (select dispatcher.standing(target)), cancelled as (
        insert into dispatcher.cancellation (broadcast, reason)
        select target, why from before where standing in ('running', 'template_paused', 'paused') or standing = 'missing' and may_come
        on conflict do nothing
    )
    select standing from before
$$;

-- Ends a page of a follow-up: the next one begins after `place`; null ends the pass, which was the last one or not. Within
-- ten minutes of its claim a delivery is accepted, unknown, or waiting again, so the next pass begins there. `position`
-- identifies the last recipient; it is not needed in the end, so it is overwritten.
create function dispatcher.end_page(follower uuid, target uuid, place uuid, was_last boolean) returns void
language plpgsql as $$
begin
    if place is not null then
        update dispatcher.follow_up f set position = place, last = was_last
        where f.broadcast = follower and f.follows = target;
    elsif was_last then
        update dispatcher.follow_up f set done_at = clock_timestamp(), position = f.follows
        where f.broadcast = follower and f.follows = target;
        update dispatcher.broadcast b set audience = b.expanded
        where b.id = follower and not exists (
            select from dispatcher.follow_up f where f.broadcast = follower and f.done_at is null);
    else
        update dispatcher.follow_up f
        set position = dispatcher.first_id(target), last = dispatcher.is_over(target),
            since = f.began_at - interval '10 minutes', began_at = clock_timestamp(),
            look_at = clock_timestamp() + interval '1 second'
        where f.broadcast = follower and f.follows = target;
    end if;
end
$$;

-- Makes the follow-ups of broadcasts that are sent again, or turn out to have been sent, and the follow-ups of these, read
-- their recipients once more, unless they have ended. They are locked with what they follow, each time in the order
-- of their ids (of two callers that wait for each other all the same, one is repeated): one that begins meanwhile (see
-- begin_follow_up) sees what this transaction has changed, or is found here.
create function dispatcher.reopen_follow_ups(targets uuid[]) returns void language plpgsql strict as $$
declare
    reopened uuid[] := '{}';
    found_now uuid[];
begin
    loop
        perform from dispatcher.broadcast b where b.id = any(targets || reopened) order by b.id for update;
        with recursive later (id, follows) as (
            select unnest(targets), false
            union
            select b.id, true
            from later l join dispatcher.follow_up f on f.follows = l.id join dispatcher.broadcast b on b.id = f.broadcast
            where b.expires_at > clock_timestamp()
                and not exists (select from dispatcher.cancellation x where x.broadcast = b.id)
        )
        select coalesce(array_agg(id order by id), '{}') into found_now from later where follows;
        exit when found_now = reopened;
        reopened := found_now;
    end loop;
    update dispatcher.follow_up f
    set position = dispatcher.first_id(f.follows), since = '-infinity', began_at = clock_timestamp(), last = false,
        look_at = clock_timestamp(), done_at = null
    where f.broadcast = any(reopened) and f.follows = any(targets || reopened);
    update dispatcher.broadcast b set audience = null, finished_at = null where b.id = any(reopened);
end
$$;

-- Retries failed deliveries, and unknown ones on request: they are due at once. A failure that a restore may have
-- forgotten the end of counts as unknown. A failed one starts again at its first attempt; an unknown one gets the next
-- number, so that a late result of the previous attempt is recognised as such.
create function dispatcher.resend_missing(target uuid, unknown_too boolean)
returns table (standing text, failed integer, unknown integer) language plpgsql
security definer set search_path = pg_catalog, dispatcher as $$
#variable_conflict use_column
declare
    before text := dispatcher.standing(target);
    failed_again integer := 0;
    all_again integer := 0;
begin
    if before in ('running', 'template_paused', 'paused') or before = 'finished'
        and (select b.expires_at > clock_timestamp() from dispatcher.broadcast b where b.id = target)
    then
        with chosen as (
            select d.id, d.state as old_state from dispatcher.delivery d
            where d.id between dispatcher.first_id(target) and dispatcher.last_id(target)
                and d.source = target and d.subscriber is not null
                and (unknown_too and d.state in ('failed', 'unknown') or d.state = 'failed'
                    and not exists (select from dispatcher.restore r where r.lost_at > d.asked_at))
            order by d.id for update
        ), changed as (
            update dispatcher.delivery d
            set state = 'waiting', due_at = clock_timestamp(), waits_for = 'rate', unknown_at = null, error_code = null,
                message_key = null,
                attempt = case when old_state = 'failed' then 1 else d.attempt + 1 end,
                resends = d.resends + (old_state = 'unknown' or d.failed_keys is null)::int
            from chosen where d.id = chosen.id
            returning old_state
        )
        select count(*) filter (where old_state = 'failed'), dispatcher.count_changes(
            32, array_agg(target), array_agg(old_state), array_agg('waiting'::dispatcher.delivery_state))
        into failed_again, all_again from changed;
        if all_again > 0 then
            update dispatcher.broadcast b set finished_at = null where b.id = target;
            perform dispatcher.reopen_follow_ups(array[target]);
        end if;
    end if;
    return query select before, failed_again, all_again - failed_again;
end
$$;

-- Retries failed deliveries only: whoever may do this cannot send again what may have arrived.
create function dispatcher.resend_failed(target uuid) returns table (standing text, failed integer) language sql
security definer set search_path = pg_catalog, dispatcher as $$
    select standing, failed from dispatcher.resend_missing(target, false)
$$;

-- Settles unknown outcomes by an operator's verdict: accepted, failed or resend. Applies to one delivery, or to all of
-- a broadcast; returns their number.
create function dispatcher.settle_unknown(delivery uuid, broadcast uuid, verdict text) returns integer
language plpgsql security definer set search_path = pg_catalog, dispatcher as $$
#variable_conflict use_column
declare
    settled integer;
    goal dispatcher.delivery_state := case verdict when 'resend' then 'waiting' when 'failed' then 'failed'
        when 'accepted' then 'accepted' end;
begin
    if goal is null then
        raise invalid_parameter_value using message = 'verdict must be accepted, failed or resend';
    end if;
    with chosen as (
        select d.id from dispatcher.delivery d
        where d.unknown_at is not null and d.state = 'unknown'
            and (d.id = settle_unknown.delivery or d.source = settle_unknown.broadcast and d.subscriber is not null)
            and (goal <> 'waiting' or d.expires_at > clock_timestamp() and not exists (
                select from dispatcher.cancellation x where x.broadcast = d.source))
        order by d.id for update
    ), changed as (
        update dispatcher.delivery d
        set state = goal, unknown_at = null,
            due_at = case when goal = 'waiting' then clock_timestamp() end,
            waits_for = case when goal = 'waiting' then 'rate'::dispatcher.wait_cause end,
            attempt = d.attempt + (goal = 'waiting')::int, resends = d.resends + (goal = 'waiting')::int,
            content = case when goal = 'waiting' then d.content end
        from chosen where d.id = chosen.id
        returning case when d.subscriber is not null then d.source end as source
    )
    select dispatcher.count_changes(32, array_agg(source), array_agg('unknown'::dispatcher.delivery_state),
        array_agg(goal)) into settled from changed;
    return settled;
end
$$;

-- Pauses or resumes sending from one phone number, or from all if `sender` is null; returns how many were affected.
create function dispatcher.pause_sending(why text, sender text) returns integer language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with held as (
        update dispatcher.rate r
        set paused_reason = why, paused_by_operator = true, probe_at = clock_timestamp() + interval '100 years'
        where sender is null or r.number = sender returning 1
    )
    select count(*)::integer from held
$$;

-- After a restore, hashes may be of other keys than those that ingress has: then a "Stop" finds nobody.
create function dispatcher.awaits_keys() returns boolean language sql stable
security definer set search_path = pg_catalog, dispatcher as $$
    select exists (select from dispatcher.restore r where r.keys_confirmed_at is null)
$$;

create function dispatcher.resume_sending(sender text) returns integer language plpgsql
security definer set search_path = pg_catalog, dispatcher as $$
declare
    released integer;
begin
    if dispatcher.awaits_keys() then
        raise exception 'the keys of a restored database are not confirmed'
            using errcode = 'object_not_in_prerequisite_state', hint = 'kreisfunk keys status';
    end if;
    update dispatcher.rate r set paused_reason = null, paused_by_operator = false, probe_at = '-infinity'
    where (sender is null or r.number = sender) and r.paused_reason is not null;
    get diagnostics released = row_count;
    return released;
end
$$;

create function dispatcher.resume_template(name text) returns boolean language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with released as (delete from dispatcher.template_pause h where h.template = name returning 1)
    select exists (select from released)
$$;

create function dispatcher.confirm_keys() returns void language sql
security definer set search_path = pg_catalog, dispatcher as $$
    update dispatcher.restore set keys_confirmed_at = clock_timestamp() where keys_confirmed_at is null
$$;

-- What follows is all that the newsroom sees of the ledger: sums and reasons, no row about a person (decision 0036).

-- Returns the broadcasts that do not go on: cancelled, or paused themselves, by their template, or as all sending is.
create function dispatcher.list_stops() returns table (broadcast uuid, cause text, reason text) language sql stable
security definer set search_path = pg_catalog, dispatcher as $$
    select b.id,
        case when x.broadcast is not null then 'cancelled' when b.paused_reason is not null then 'broadcast'
            when h.template is not null then 'template' else 'sending' end,
        coalesce(x.reason, b.paused_reason, h.reason, r.reason)
    from dispatcher.broadcast b left join dispatcher.template_pause h using (template)
        left join dispatcher.cancellation x on x.broadcast = b.id
        cross join (
            select case when bool_and(paused_reason is not null) then min(paused_reason) end as reason
            from dispatcher.rate
        ) r
    where b.finished_at is null and (x.broadcast is not null
        or b.expires_at > clock_timestamp() and coalesce(b.paused_reason, h.reason, r.reason) is not null)
    union all
    select x.broadcast, 'cancelled', x.reason from dispatcher.cancellation x  -- before the first recipients
    where not exists (select from dispatcher.broadcast b where b.id = x.broadcast)
$$;

-- Returns the limits of each sending number, and what of them is used now. `unreachable_since` is for how long a
-- replica gets no answer from Meta; replicas say it anew every second.
create function dispatcher.read_limits()
returns table (
    number text, ceiling double precision, permitted double precision, paused_reason text, paused_by_operator boolean,
    pause_seconds double precision, probe_seconds double precision, people_a_day integer, people integer,
    messages_a_month integer, messages integer, unreachable_since timestamptz
) language sql stable security definer set search_path = pg_catalog, dispatcher as $$
    select r.number, r.ceiling,
        least(r.ceiling, r.per_second + r.ceiling / 50 * greatest(0, extract(epoch from c.now - r.changed_at)))::float8,
        r.paused_reason, r.paused_by_operator, extract(epoch from greatest(r.next_at, c.now) - c.now)::float8,
        extract(epoch from greatest(r.probe_at, c.now) - c.now)::float8, r.people_a_day,
        (select coalesce(sum(m.people), 0)::int from dispatcher.reached_minute m
            where m.minute > c.now - interval '24 hours 1 minute'),
        r.messages_a_month,
        coalesce((select s.messages from dispatcher.sent_month s where s.month = dispatcher.this_month()), 0),
        (select min(u.since) from dispatcher.unreachable u
            where u.number = r.number and u.said_at > c.now - interval '10 seconds')
    from dispatcher.rate r, (select clock_timestamp() as now) c order by r.number
$$;

-- Returns how many deliveries wait for what; with `at_least` they may be more. However many wait, it reads at most 1,001
-- of a cause in each broadcast, and as many replies: a broadcast's counters say how many wait in all, and if one cause
-- has more than 1,000 of them, it has all that the others have not.
create function dispatcher.count_waiting()
returns table (lane text, cause text, deliveries integer, at_least boolean, due_at timestamptz) language sql stable
security definer set search_path = pg_catalog, dispatcher as $$
    with total as (
        select b.id, b.lane, sum(n.deliveries) as waiting
        from dispatcher.broadcast b join dispatcher.broadcast_count n on n.broadcast = b.id and n.state = 'waiting'
        where b.finished_at is null group by b.id having sum(n.deliveries) > 0
    ), part as (
        select t.id, t.lane, t.waiting, c.cause, least(count(*), 1000) as seen, count(*) > 1000 as is_large,
            min(d.due_at) as due_at
        from total t cross join unnest(enum_range(null::dispatcher.wait_cause)) as c (cause) cross join lateral (
            select d.due_at from dispatcher.delivery d
            where d.source = t.id and d.waits_for = c.cause order by d.due_at limit 1001) d
        group by t.id, t.lane, t.waiting, c.cause
    ), whole as (
        select p.*, sum(seen) over b as all_seen, count(*) filter (where is_large) over b as large
        from part p window b as (partition by p.id)
    ), counted as (
        select w.lane, w.cause, case when is_large and large = 1 then seen + waiting - all_seen else seen end as deliveries,
            is_large and large > 1 as at_least, w.due_at
        from whole w
        union all
        select 'reply', d.waits_for, least(count(*), 1000), sum(count(*)) over () > 1000, min(d.due_at)
        from (
            select d.waits_for, d.due_at from dispatcher.delivery d
            where d.lane = 'reply' and d.due_at is not null order by d.due_at limit 1001) d
        group by d.waits_for
    )
    select c.lane::text, c.cause::text, sum(c.deliveries)::int, bool_or(c.at_least), min(c.due_at)
    from counted c group by c.lane, c.cause order by c.lane, 3 desc
$$;

-- Returns the paused templates, and how many broadcasts wait for each.
create function dispatcher.list_template_pauses()
returns table (template text, reason text, paused_at timestamptz, broadcasts integer) language sql stable
security definer set search_path = pg_catalog, dispatcher as $$
    select h.template, h.reason, h.paused_at, (
        select count(*)::int from dispatcher.broadcast b where b.template = h.template and b.finished_at is null)
    from dispatcher.template_pause h order by h.template
$$;

-- Returns what Meta last said of each template: 'accepted' or why not, and its quality; null for what it never said.
create function dispatcher.list_template_reports()
returns table (template text, word text, said_at timestamptz, quality text, quality_at timestamptz)
language sql stable security definer set search_path = pg_catalog, dispatcher as $$
    select said.template, max(said.word) filter (where about = 'template'),
        max(said.said_at) filter (where about = 'template'), max(said.word) filter (where about = 'quality'),
        max(said.said_at) filter (where about = 'quality')
    from (
        select split_part(n.subject, ' ', 1) as about, substr(n.subject, strpos(n.subject, ' ') + 1) as template,
            n.word, n.said_at
        from dispatcher.account_update n
    ) said
    where about in ('template', 'quality') group by said.template order by said.template
$$;

select dispatcher.ensure_partitions();

revoke all on function dispatcher.ensure_partitions(), dispatcher.drop_old_partitions(integer),
    dispatcher.delete_old_strays(interval, integer), dispatcher.pause_broadcast, dispatcher.resume_broadcast,
    dispatcher.cancel_broadcast, dispatcher.resend_missing, dispatcher.resend_failed, dispatcher.settle_unknown,
    dispatcher.pause_sending, dispatcher.resume_sending, dispatcher.resume_template, dispatcher.awaits_keys,
    dispatcher.confirm_keys, dispatcher.list_stops(), dispatcher.read_limits(), dispatcher.count_waiting(),
    dispatcher.list_template_pauses(), dispatcher.list_template_reports() from public;
grant usage on schema dispatcher to kreisfunk_dispatcher, kreisfunk_subscriptions, kreisfunk_newsroom,
    kreisfunk_monitor, kreisfunk_operator, kreisfunk_rotation;

grant execute on function dispatcher.ensure_partitions(), dispatcher.drop_old_partitions(integer),
    dispatcher.delete_old_strays(interval, integer) to kreisfunk_dispatcher;
grant select, insert, update on dispatcher.broadcast, dispatcher.broadcast_count, dispatcher.suppression,
    dispatcher.delivery, dispatcher.rate, dispatcher.reached, dispatcher.reached_minute, dispatcher.sent_month,
    dispatcher.refusal, dispatcher.account_update, dispatcher.follow_up, dispatcher.erasure, dispatcher.unreachable
    to kreisfunk_dispatcher;
-- A pause of a template is inserted or deleted, a cancellation inserted; neither is ever changed.
grant select, insert on dispatcher.cancellation, dispatcher.template_pause, dispatcher.status_stream
    to kreisfunk_dispatcher;
grant delete on dispatcher.reached, dispatcher.reached_minute, dispatcher.refusal, dispatcher.suppression,
    dispatcher.template_pause, dispatcher.erasure, dispatcher.status_stream, dispatcher.unreachable
    to kreisfunk_dispatcher;
grant select on dispatcher.restore, dispatcher.schema_migrations, dispatcher.schema_checksums to kreisfunk_dispatcher;

-- What `kreisfunk sending`, `broadcasts`, `deliveries`, `templates` and `trace` read: neither withdrawals, positions of
-- follow-ups, sums of people and messages, contents of broadcasts and consents of deliveries, nor what only paces a
-- number; `read_limits` says what of the limits is used.
grant select (id, notice, revision, topic, lane, template, published_at, expires_at, opens, closes, zone, spacing,
    paused_reason, audience, expanded, finished_at) on dispatcher.broadcast to kreisfunk_operator;
grant select (broadcast, state, deliveries) on dispatcher.broadcast_count to kreisfunk_operator;
grant select (broadcast, reason) on dispatcher.cancellation to kreisfunk_operator;
-- All columns but addresses, contents, consents and message keys.
grant select (id, source, subscriber, lane, state, asked_at, expires_at, attempt, claim, resends, claimed_at,
    answer_by, unknown_at, due_at, waits_for, error_code) on dispatcher.delivery to kreisfunk_operator;
grant select (template, reason) on dispatcher.template_pause to kreisfunk_operator;
grant select (paused_reason) on dispatcher.rate to kreisfunk_operator;
grant select (lost_at) on dispatcher.restore to kreisfunk_operator;
grant select on dispatcher.unreachable to kreisfunk_operator;

-- Operators may write through these functions only, which run with their owner's rights: so nobody can change a
-- delivery without its counters. The functions have a counter slot of their own, 32.
grant execute on function dispatcher.pause_broadcast, dispatcher.resume_broadcast, dispatcher.cancel_broadcast,
    dispatcher.resend_missing, dispatcher.settle_unknown, dispatcher.pause_sending, dispatcher.resume_sending,
    dispatcher.resume_template, dispatcher.read_limits(), dispatcher.count_waiting(),
    dispatcher.list_template_pauses() to kreisfunk_operator;

-- The demonstration and the fault tests count with this role; nothing else uses it.
grant select (id, audience, expanded) on dispatcher.broadcast to kreisfunk_monitor;
grant select (broadcast, state, deliveries) on dispatcher.broadcast_count to kreisfunk_monitor;
grant select (id, source, subscriber, state, expires_at, resends, due_at, waits_for, error_code)
    on dispatcher.delivery to kreisfunk_monitor;
grant select (per_second, ceiling) on dispatcher.rate to kreisfunk_monitor;
grant select (id) on dispatcher.erasure to kreisfunk_monitor;

grant select (id, address_kind, address_index, address_sealed), update (address_index, address_sealed)
    on dispatcher.delivery to kreisfunk_rotation;
grant select (id, indexes, user_index, user_sealed), update (indexes, user_index, user_sealed)
    on dispatcher.erasure to kreisfunk_rotation;
grant execute on function dispatcher.confirm_keys to kreisfunk_rotation;

grant execute on function dispatcher.awaits_keys to kreisfunk_subscriptions;

grant execute on function dispatcher.list_stops(), dispatcher.read_limits(), dispatcher.count_waiting(),
    dispatcher.list_template_pauses(), dispatcher.list_template_reports(), dispatcher.pause_broadcast,
    dispatcher.resume_broadcast, dispatcher.cancel_broadcast, dispatcher.resend_failed, dispatcher.pause_sending,
    dispatcher.resume_sending, dispatcher.resume_template to kreisfunk_newsroom;

-- migrate:down
drop schema dispatcher cascade;
