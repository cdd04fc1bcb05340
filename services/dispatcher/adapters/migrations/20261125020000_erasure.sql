-- migrate:up

-- Erasures that are not finished; the row goes with the last address.
create table dispatcher.erasure (
    id uuid primary key,
    indexes bytea[] not null,
    user_index bytea,
    user_sealed bytea,
    asked_at timestamptz not null default clock_timestamp(),
    tried_at timestamptz not null default '-infinity'
);
grant select, insert, update, delete on dispatcher.erasure to kreisfunk_dispatcher;
grant select (id, asked_at, tried_at) on dispatcher.erasure to kreisfunk_monitor;

-- migrate:down
drop table dispatcher.erasure;
