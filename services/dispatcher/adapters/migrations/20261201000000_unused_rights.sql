-- migrate:up
-- A right that no statement needs goes. Owners' rights are not concerned, nor what functions do with them.

-- Of `kreisfunk sending`, `broadcasts`, `deliveries`, `templates` and `trace`, none reads withdrawals, positions of
-- follow-ups, or sums of people and messages: `read_limits` says what of the limits is used. Contents of broadcasts and
-- consents of deliveries are read by none either, nor is what only paces a number.
revoke select on dispatcher.suppression, dispatcher.follow_up, dispatcher.reached_minute, dispatcher.sent_month,
    dispatcher.broadcast, dispatcher.broadcast_count, dispatcher.cancellation, dispatcher.template_pause,
    dispatcher.rate, dispatcher.restore from kreisfunk_operator;
revoke select (sequence) on dispatcher.delivery from kreisfunk_operator;
grant select (id, notice, revision, topic, lane, template, published_at, expires_at, opens, closes, zone, spacing,
    paused_reason, audience, expanded, finished_at) on dispatcher.broadcast to kreisfunk_operator;
grant select (broadcast, state, deliveries) on dispatcher.broadcast_count to kreisfunk_operator;
grant select (broadcast, reason) on dispatcher.cancellation to kreisfunk_operator;
grant select (template, reason) on dispatcher.template_pause to kreisfunk_operator;
grant select (paused_reason) on dispatcher.rate to kreisfunk_operator;
grant select (lost_at) on dispatcher.restore to kreisfunk_operator;

-- The demonstration and the fault tests count with this role; nothing else uses it.
revoke select on dispatcher.suppression, dispatcher.follow_up, dispatcher.reached_minute, dispatcher.sent_month,
    dispatcher.broadcast, dispatcher.broadcast_count, dispatcher.cancellation, dispatcher.template_pause,
    dispatcher.rate, dispatcher.restore, dispatcher.unreachable, dispatcher.delivery, dispatcher.erasure
    from kreisfunk_monitor;
grant select (id, audience, expanded) on dispatcher.broadcast to kreisfunk_monitor;
grant select (broadcast, state, deliveries) on dispatcher.broadcast_count to kreisfunk_monitor;
grant select (id, source, subscriber, state, expires_at, resends, due_at, waits_for, error_code)
    on dispatcher.delivery to kreisfunk_monitor;
grant select (per_second, ceiling) on dispatcher.rate to kreisfunk_monitor;
grant select (id) on dispatcher.erasure to kreisfunk_monitor;

-- A pause of a template is inserted or deleted, a cancellation inserted; neither is ever changed.
revoke update on dispatcher.template_pause, dispatcher.cancellation from kreisfunk_dispatcher;

-- migrate:down
grant update on dispatcher.template_pause, dispatcher.cancellation to kreisfunk_dispatcher;
grant select on dispatcher.broadcast, dispatcher.broadcast_count, dispatcher.cancellation, dispatcher.rate,
    dispatcher.suppression, dispatcher.template_pause, dispatcher.reached_minute, dispatcher.sent_month,
    dispatcher.follow_up, dispatcher.unreachable, dispatcher.restore to kreisfunk_monitor, kreisfunk_operator;
grant select (id, source, subscriber, sequence, lane, state, asked_at, expires_at, attempt, claim, resends, claimed_at,
    answer_by, unknown_at, due_at, waits_for, error_code) on dispatcher.delivery
    to kreisfunk_monitor, kreisfunk_operator;
grant select (id, asked_at, tried_at) on dispatcher.erasure to kreisfunk_monitor;
