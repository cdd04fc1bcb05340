-- migrate:up
-- No command shows feedback, which the newsroom has from events, or the system of a notice.
revoke select on subscriptions.feedback from kreisfunk_operator;
revoke select (source) on subscriptions.broadcast from kreisfunk_operator;

-- The demonstration and the fault tests count with this role; nothing else uses it.
revoke select on subscriptions.subscriber, subscriptions.subscription, subscriptions.consent, subscriptions.wording,
  subscriptions.inbox, subscriptions.feedback, subscriptions.notice, subscriptions.notice_event, subscriptions.broadcast,
  subscriptions.pending_page, subscriptions.schema_migrations from kreisfunk_monitor;
grant select (state) on subscriptions.subscriber to kreisfunk_monitor;
grant select (result) on subscriptions.inbox to kreisfunk_monitor;
grant select (id, notice, follows, expires_at, state, audience, read_to_end) on subscriptions.broadcast
  to kreisfunk_monitor;

-- migrate:down
grant select (id, sequence, state, started_at, ended_at, created_at, places, paused_until, merged_into)
  on subscriptions.subscriber to kreisfunk_monitor;
grant select (result, received_at, handled_at) on subscriptions.inbox to kreisfunk_monitor;
grant select (broadcast_id, page, message_id, recipients, last) on subscriptions.pending_page to kreisfunk_monitor;
grant select (id, kind, value, topic, broadcast_id, at) on subscriptions.feedback to kreisfunk_monitor;
grant select (source, event, system, counts, urgent, handled_at) on subscriptions.notice_event to kreisfunk_monitor;
grant select on subscriptions.subscription, subscriptions.consent, subscriptions.wording, subscriptions.notice,
  subscriptions.broadcast, subscriptions.schema_migrations to kreisfunk_monitor;
grant select (source) on subscriptions.broadcast to kreisfunk_operator;
grant select (kind, value, topic, broadcast_id, at) on subscriptions.feedback to kreisfunk_operator;
