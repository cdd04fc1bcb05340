-- migrate:up
set local lock_timeout = '5s';

alter table subscriptions.conversation add column asked text not null default '';
comment on column subscriptions.conversation.asked is 'the open question: what "Ja" means, and what a stranger chose';

-- migrate:down
alter table subscriptions.conversation drop column asked;
