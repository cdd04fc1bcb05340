-- migrate:up
set local lock_timeout = '5s';

-- What editors are shown of a notice: neither what people wrote nor what leads to who they are.
grant select (kind, value, topic, broadcast_id, at) on subscriptions.feedback to kreisfunk_operator;

-- migrate:down
revoke select (kind, value, topic, broadcast_id, at) on subscriptions.feedback from kreisfunk_operator;
