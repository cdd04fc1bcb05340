-- migrate:up
set local lock_timeout = '5s';

-- Fixed when the notice is accepted, so that each page says the same whenever it is made.
alter table subscriptions.broadcast
  add column opens time,
  add column closes time,
  add column zone text,
  add column spacing_seconds double precision,
  add column follows uuid[] not null default '{}';
comment on column subscriptions.broadcast.follows is 'earlier broadcasts: it goes to who got them, whom the ledger knows';

-- migrate:down
alter table subscriptions.broadcast
  drop column opens, drop column closes, drop column zone, drop column spacing_seconds, drop column follows;
