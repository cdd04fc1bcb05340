-- migrate:up
-- While nothing is sent, pages wait in their lane; afterwards they come one after another.
alter table dispatcher.broadcast add column awaited_at timestamptz not null default now();
comment on column dispatcher.broadcast.awaited_at is 'when a page last came, or waited because nothing was sent';

-- migrate:down
alter table dispatcher.broadcast drop column awaited_at;
