-- migrate:up
alter table dispatcher.restore add column keys_confirmed_at timestamptz;
comment on column dispatcher.restore.keys_confirmed_at is
    'since then the keys are known to fit; before, no message is handled and sending is not resumed';
-- Whoever restored before this migration has resumed since, or follows the guide of that version.
update dispatcher.restore set keys_confirmed_at = restored_at;

-- Roles belong to the server: another database may be migrated at the same moment.
do $$
begin
    create role kreisfunk_subscriptions nologin;
exception when duplicate_object or unique_violation then null;
end
$$;

-- After a restore, hashes may be of other keys than those that ingress has: then a "Stop" finds nobody.
create function dispatcher.awaits_keys() returns boolean language sql stable
security definer set search_path = pg_catalog, dispatcher as $$
    select exists (select from dispatcher.restore r where r.keys_confirmed_at is null)
$$;
revoke all on function dispatcher.awaits_keys from public;
grant usage on schema dispatcher to kreisfunk_subscriptions;
grant execute on function dispatcher.awaits_keys to kreisfunk_subscriptions;

create or replace function dispatcher.resume_sending(sender text) returns integer language plpgsql
security definer set search_path = pg_catalog, dispatcher as $$
declare
    released integer;
begin
    if dispatcher.awaits_keys() then
        raise exception 'the keys of a restored database are not confirmed'
            using errcode = 'object_not_in_prerequisite_state', hint = 'kreisfunk keys status';
    end if;
    update dispatcher.rate r set paused_reason = null, paused_by_operator = false, probe_at = '-infinity'
    where (sender is null or r.number = sender) and r.paused_reason is not null;
    get diagnostics released = row_count;
    return released;
end
$$;

create function dispatcher.confirm_keys() returns void language sql
security definer set search_path = pg_catalog, dispatcher as $$
    update dispatcher.restore set keys_confirmed_at = clock_timestamp() where keys_confirmed_at is null
$$;
revoke all on function dispatcher.confirm_keys from public;
grant execute on function dispatcher.confirm_keys to kreisfunk_rotation;

-- migrate:down
revoke usage on schema dispatcher from kreisfunk_subscriptions;
drop function dispatcher.confirm_keys;
create or replace function dispatcher.resume_sending(sender text) returns integer language sql
security definer set search_path = pg_catalog, dispatcher as $$
    with released as (
        update dispatcher.rate r set paused_reason = null, paused_by_operator = false, probe_at = '-infinity'
        where (sender is null or r.number = sender) and r.paused_reason is not null returning 1
    )
    select count(*)::integer from released
$$;
drop function dispatcher.awaits_keys;
alter table dispatcher.restore drop column keys_confirmed_at;
