-- migrate:up
-- Pages stopped by a cancellation, or lost, never arrive: the audience is then what arrived until none had come for ten
-- minutes after the end. Until then they may still wait in their lane.
create function dispatcher.awaits_pages(b dispatcher.broadcast, own_number text) returns boolean
language sql stable as $$
    select exists (select from dispatcher.rate r where r.number = own_number and r.paused_reason is not null)
        or exists (
            select from dispatcher.unreachable u
            where u.number = own_number and u.said_at > clock_timestamp() - interval '10 seconds')
        or exists (
            select from dispatcher.broadcast higher
            where higher.lane < b.lane and higher.finished_at is null and higher.expires_at > clock_timestamp()
                and higher.paused_reason is null)
        or b.progressed_at < clock_timestamp() - interval '2 minutes'
$$;
comment on function dispatcher.awaits_pages is
  'whether pages may wait: our number is paused, Meta is unreachable, a higher lane goes first, or no dispatcher has run';

create function dispatcher.is_cut(b dispatcher.broadcast) returns boolean
language sql stable as $$
    select b.finished_at is not null
        or b.progressed_at > clock_timestamp() - interval '2 minutes' and greatest(b.awaited_at, least(b.expires_at, (
            select x.cancelled_at from dispatcher.cancellation x where x.broadcast = b.id
        ))) < clock_timestamp() - interval '10 minutes'
$$;
comment on function dispatcher.is_cut is 'whether no more pages of a broadcast are expected';

-- migrate:down
drop function dispatcher.is_cut;
drop function dispatcher.awaits_pages;
