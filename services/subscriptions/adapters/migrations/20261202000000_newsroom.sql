-- migrate:up
-- Roles belong to the server: another database may be migrated at the same moment.
do $$
begin
  create role kreisfunk_newsroom nologin;
exception when duplicate_object or unique_violation then null;
end
$$;

-- All that the newsroom sees of citizens' messages: how many could not be handled (decision 0036).
create function subscriptions.count_dead_letters()
returns table (letters integer, oldest timestamptz, replaying integer) language sql stable
security definer set search_path = pg_catalog, subscriptions as $$
  select count(*)::int, min(failed_at), count(replay_at)::int from subscriptions.dead_letter
$$;

revoke all on function subscriptions.count_dead_letters() from public;
grant usage on schema subscriptions to kreisfunk_newsroom;
grant execute on function subscriptions.count_dead_letters(), subscriptions.replay_dead_letters(uuid)
  to kreisfunk_newsroom;

-- migrate:down
revoke execute on function subscriptions.replay_dead_letters(uuid) from kreisfunk_newsroom;
revoke usage on schema subscriptions from kreisfunk_newsroom;
drop function subscriptions.count_dead_letters;
