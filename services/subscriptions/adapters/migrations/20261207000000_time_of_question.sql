-- migrate:up
-- counted_at grows with every answer, and a question would stay open as long as others follow.
alter table subscriptions.conversation add column asked_at timestamptz;
comment on column subscriptions.conversation.asked_at is 'when the open question was asked; null if none was';

-- migrate:down
alter table subscriptions.conversation drop column asked_at;
