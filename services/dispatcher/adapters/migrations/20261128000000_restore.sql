-- migrate:up
create table dispatcher.restore (
    lost_at timestamptz primary key,
    saved_at timestamptz not null,
    restored_at timestamptz not null default clock_timestamp()
);
comment on table dispatcher.restore is
    'restores of a backup: what was to be sent before lost_at may have been sent without a record (decision 0032)';
comment on column dispatcher.restore.lost_at is 'from then on nothing was sent until the restore';
comment on column dispatcher.restore.saved_at is 'everything up to then is in the backup';
comment on column dispatcher.restore.restored_at is 'when it was restored';
grant select on dispatcher.restore to kreisfunk_dispatcher, kreisfunk_monitor, kreisfunk_operator;

-- Decides as `judge` does for a recipient without a row: if a restore may have lost the row, the outcome is unknown.
create function dispatcher.judge_new(b dispatcher.broadcast, person uuid, consent integer, ordinal integer)
returns table (state dispatcher.delivery_state, due_at timestamptz, waits_for dispatcher.wait_cause)
language sql stable as $$
    select case when lost then 'unknown' else v.state end, case when not lost then v.due_at end,
        case when not lost then v.waits_for end
    from dispatcher.judge(b, person, consent, ordinal) v, lateral (
        select v.state in ('claimed', 'waiting')
            and exists (select from dispatcher.restore r where r.lost_at > b.published_at) as lost) l
$$;

-- migrate:down
drop function dispatcher.judge_new;
drop table dispatcher.restore;
