-- migrate:up
-- Broadcasts to those who got an earlier one, and how far the earlier one's deliveries have been read. As long as it
-- is under way they are read again, pass after pass; the last pass is one that began when it was over.
create table dispatcher.follow_up (
    broadcast uuid not null references dispatcher.broadcast,
    follows uuid not null,
    position uuid not null,
    -- What was claimed before this has been seen by an earlier pass.
    since timestamptz not null default '-infinity',
    began_at timestamptz not null default clock_timestamp(),
    last boolean not null default false,
    look_at timestamptz not null default clock_timestamp(),
    done_at timestamptz,
    primary key (broadcast, follows)
);
create index follow_up_open on dispatcher.follow_up (look_at) where done_at is null;

-- The twin of delivery_id in shared/contracts/ids.py, compared by a test.
create function dispatcher.delivery_id(source uuid, subscriber uuid) returns uuid
language sql immutable parallel safe as $$
    with hashed as (
        select ('x' || encode(substring(
            sha256('\x00000010'::bytea || uuid_send(source) || '\x00000010'::bytea || uuid_send(subscriber))
            from 1 for 10), 'hex'))::bit(80) as bits
    ), composed as (
        select left(replace(source::text, '-', ''), 12) as milliseconds,
            B'1000' || substring(bits from 7 for 12) as version,
            B'10' || substring(bits from 19 for 62) as variant
        from hashed
    )
    select (milliseconds || lpad(to_hex(version::bit(16)::integer), 4, '0')
        || lpad(to_hex(variant::bit(64)::bigint), 16, '0'))::uuid
    from composed
$$;

-- Whether nobody can get a broadcast any more who has not got it, as of now. A claim that did not yet see the end
-- commits within moments.
create function dispatcher.is_over(target uuid) returns boolean language sql stable as $$
    with counts as (
        select coalesce(sum(n.deliveries), 0) as known,
            coalesce(sum(n.deliveries) filter (where n.state in ('waiting', 'claimed')), 0) as open
        from dispatcher.broadcast_count n where n.broadcast = target
    )
    select c.open = 0 and (
        exists (
            select from dispatcher.cancellation x
            where x.broadcast = target and x.cancelled_at < clock_timestamp() - interval '2 seconds'
        ) or exists (
            select from dispatcher.broadcast b
            where b.id = target
                and (b.audience = c.known or b.expires_at < clock_timestamp() - interval '2 seconds')
        ))
    from counts c
$$;

grant select, insert, update on dispatcher.follow_up to kreisfunk_dispatcher;
grant select on dispatcher.follow_up to kreisfunk_monitor, kreisfunk_operator;

-- migrate:down
drop function dispatcher.is_over, dispatcher.delivery_id;
drop table dispatcher.follow_up;
