-- migrate:up
alter table newsroom.broadcast add column failures jsonb not null default '[]';
comment on column newsroom.broadcast.failures is 'failed deliveries by reason, with Meta''s code';
-- What is on its way to the notices API, or not yet a broadcast.
create index publication_under_way on newsroom.publication (created_at desc)
  where state <> 'rejected' and broadcast is null and confirmed_at is null;

-- migrate:down
drop index newsroom.publication_under_way;
alter table newsroom.broadcast drop column failures;
