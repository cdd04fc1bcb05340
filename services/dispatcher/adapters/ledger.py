"""Ledger in PostgreSQL: follow-ups, progress and backlog; claims and results are in separate modules."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from os import getpid
from socket import gethostname
from uuid import UUID

import asyncpg
import msgspec

from services.dispatcher.adapters.ledger_claims import INSERTED
from services.dispatcher.adapters.ledger_results import LedgerResults
from services.dispatcher.domain.progress import Backlog, BroadcastProgress
from services.dispatcher.domain.states import DeliveryState
from shared.contracts.message import Lane

# Identifies this process to an operator.
REPLICA = f"{gethostname()}, process {getpid()}"
# More than are sent between two counts at the highest rate.
MAX_DUE_COUNT = 1000

# Only one replica works on a follow-up at a time, even if it follows several broadcasts. Urgent ones come first.
_CLAIM_FOLLOW_UP = """
select f.broadcast, f.follows, f.position, f.last,
    b.expires_at <= clock_timestamp()
        or exists (select from dispatcher.cancellation x where x.broadcast = b.id) as ended
from dispatcher.follow_up f join dispatcher.broadcast b on b.id = f.broadcast
where f.done_at is null and f.look_at <= clock_timestamp()
order by b.lane, f.look_at limit 1 for update of f, b skip locked
"""

# All ids of a broadcast's deliveries begin with its time, so they are read in the order of the primary key. Eligible
# recipients are due at once but wait for their turn: lanes and limits apply as for any other delivery. A pass that
# finds recipients who are still to get the earlier one, perhaps again, is not the last.
_EXTEND_FOLLOW_UP = f"""
with found as (
    select d.id, d.subscriber, d.sequence, d.address_kind, d.address_index, d.address_sealed
    from dispatcher.delivery d
    where d.id > $3 and d.id <= dispatcher.last_id($2) and d.source = $2 and d.subscriber is not null
        and d.state in ('unknown', 'accepted', 'sent', 'delivered', 'read')
        and d.claimed_at > (select f.since from dispatcher.follow_up f where f.broadcast = $1 and f.follows = $2)
    order by d.id limit $4
), judged as (
    select dispatcher.delivery_id(b.id, f.subscriber) as id, b.id as source, f.subscriber, f.sequence, b.lane,
        f.address_kind, f.address_index, f.address_sealed, null::jsonb as content, b.published_at as asked_at,
        b.expires_at, case when v.state = 'claimed' then 'waiting' else v.state end as state,
        case v.state when 'claimed' then clock_timestamp() else v.due_at end as due_at,
        case v.state when 'claimed' then 'rate' else v.waits_for end as waits_for
    from found f, dispatcher.broadcast b, dispatcher.judge_new(b, f.subscriber, f.sequence, null) v
    where b.id = $1
), {INSERTED.format(rows="judged", answer_seconds="0")}, expanded as (
    update dispatcher.broadcast b set expanded = b.expanded + (
        select dispatcher.count_changes($5, array_agg(source), null, array_agg(state)) from inserted)
    where b.id = $1
)
select *, $6 and not exists (
    select from dispatcher.delivery d
    where d.id > $3 and d.id <= case when found = $4 then position else dispatcher.last_id($2) end
        and d.source = $2 and d.subscriber is not null and d.state in ('waiting', 'claimed')) as last
from (select count(*) as found, (select id from found order by id desc limit 1) as position from found) page
"""

# Checks for all kinds of periodic work in one query, so that none runs without need.
_FIND_WORK = """
select array(
        select (select count(*) from (
            select from dispatcher.delivery d
            where d.lane = l.lane::dispatcher.lane and d.due_at <= statement_timestamp() limit $2) as due)
        from unnest($1::text[]) with ordinality as l (lane, number) order by l.number
    ) as due,
    exists (select from dispatcher.delivery d where d.answer_by <= statement_timestamp())
        or exists (select from dispatcher.delivery d where d.unknown_at is not null) as unknown,
    exists (select from dispatcher.delivery d where d.unknown_at is not null) as marks,
    exists (
        select from dispatcher.broadcast b
        where b.finished_at is null and b.progressed_at < clock_timestamp() - interval '1 second') as progress,
    exists (select from dispatcher.refusal r where r.told_at is null) as refusals,
    exists (select from dispatcher.erasure) as erasures,
    exists (
        select from dispatcher.follow_up f where f.done_at is null and f.look_at <= clock_timestamp()) as follow_ups
"""

# Pages stopped by a cancellation, or lost, never arrive: the audience is then what arrived until none had come for ten
# minutes after the end.
_IS_CUT = """(b.finished_at is not null
            or b.progressed_at > clock_timestamp() - interval '2 minutes' and greatest(
                b.awaited_at, least(b.expires_at, (
                    select x.cancelled_at from dispatcher.cancellation x where x.broadcast = b.id))
            ) < clock_timestamp() - interval '10 minutes')"""
# Pages may still wait: our number ($2) is paused, Meta is unreachable, a higher lane goes first, or no dispatcher ran.
_AWAITS_PAGES = """exists (select from dispatcher.rate r where r.number = $2 and r.paused_reason is not null)
            or exists (select from dispatcher.unreachable u
                where u.number = $2 and u.said_at > clock_timestamp() - interval '10 seconds')
            or exists (select from dispatcher.broadcast higher
                where higher.lane < b.lane and higher.finished_at is null and higher.expires_at > clock_timestamp()
                    and higher.paused_reason is null)
            or b.progressed_at < clock_timestamp() - interval '2 minutes'"""

# The replica that updates `progressed_at` publishes the progress; the others find nothing.
_COLLECT = f"""
with counted as (
    select b.id, coalesce(jsonb_object_agg(n.state, n.deliveries) filter (where n.state is not null), '{{}}')
        || jsonb_build_object('audience', b.audience) as progress
    from dispatcher.broadcast b left join lateral (
        select c.state, sum(c.deliveries)::int as deliveries from dispatcher.broadcast_count c
        where c.broadcast = b.id group by c.state having sum(c.deliveries) <> 0
    ) n on true
    where %(due)s
    group by b.id
), selected as (
    %(select)s b.id, b.audience, c.progress,
        b.finished_at is not null or b.expires_at < clock_timestamp() - make_interval(secs => $1) as is_over,
        {_IS_CUT} as is_cut,
        (select x.reason from dispatcher.cancellation x where x.broadcast = b.id) as cancelled,
        (select count(*) from dispatcher.delivery d where d.source = b.id and d.waits_for = 'pair')::int as limited,
        -- By the index of deliveries with an error, which are few.
        (select jsonb_object_agg(f.code, f.deliveries) from (
            select d.error_code as code, count(*)::int as deliveries from dispatcher.delivery d
            where d.source = b.id and d.error_code is not null and d.state = 'failed' group by d.error_code
        ) f)::text as failures
    %(source)s
)
select t.id, t.audience, t.is_over, t.is_cut, t.cancelled, t.limited, t.failures, t.progress::text as counters,
    s.key as state, s.value::int as deliveries
from selected t left join lateral jsonb_each_text(t.progress) s on s.key <> 'audience' order by t.id
"""

# Unchanged progress is published once a minute, late progress until it is marked as published. An outcome that is still
# unknown $1 seconds after the expiry can no longer be proven and counts as final.
_MARK = f"""update dispatcher.broadcast b set progressed_at = clock_timestamp(), progress = %(progress)s,
        awaited_at = case when {_AWAITS_PAGES} then clock_timestamp() else b.awaited_at end
    from counted c where b.id = c.id and %(due)s and (b.progress is distinct from c.progress or %(repeat)s) returning"""
_DUE = "b.finished_at is null and b.progressed_at < clock_timestamp() - interval '1 second'"
_REPEAT = """b.progressed_at < clock_timestamp() - interval '1 minute'
    or b.expires_at + make_interval(secs => $1) between b.progressed_at and clock_timestamp()"""
_LATE = """b.finished_at between clock_timestamp() - interval '3 days' and clock_timestamp() - interval '1 minute'
    and b.progressed_at < clock_timestamp() - interval '30 seconds'"""
_ONE = {"due": "b.id = $2", "select": "select", "source": "from dispatcher.broadcast b join counted c using (id)"}
_MARK_DUE = _MARK % {"due": _DUE, "repeat": _REPEAT, "progress": "c.progress"}
_MARK_LATE = _MARK % {"due": _LATE, "repeat": "false", "progress": "b.progress"}
_COLLECT_PROGRESS = _COLLECT % {"due": _DUE, "select": _MARK_DUE, "source": ""}
_COLLECT_LATE_PROGRESS = _COLLECT % {"due": _LATE, "select": _MARK_LATE, "source": ""}
_COLLECT_ONE = _COLLECT % _ONE

_FINISH = """
update dispatcher.broadcast set finished_at = clock_timestamp()
where id = $1 and finished_at is null and not exists (
    select from dispatcher.broadcast_count n where n.broadcast = $1 and n.state in ('waiting', 'claimed')
    having sum(n.deliveries) <> 0)
returning extract(epoch from finished_at - published_at)::float8
"""

# Counts recipients without a final state, and recipients of ended broadcasts without a row (unless a cancellation may
# have stopped their pages or a restore lost them; at least one if the last page never came), and measures how long the
# first due delivery has been due.
_BACKLOG = """
with counted as (
    select b.lane, b.expanded, b.finished_at,
        case when not exists (select from dispatcher.cancellation x where x.broadcast = b.id)
                and not exists (select from dispatcher.restore r where r.lost_at > b.published_at)
            then coalesce(b.audience, b.expanded + 1) end as due,
        b.finished_at is not null or b.expires_at < clock_timestamp() - interval '1 minute' as ended,
        coalesce(sum(n.deliveries), 0) as known,
        coalesce(sum(n.deliveries) filter (where n.state not in ('waiting', 'claimed', 'unknown')), 0) as settled
    from dispatcher.broadcast b left join dispatcher.broadcast_count n on n.broadcast = b.id
    where b.finished_at is null or b.finished_at > clock_timestamp() - interval '1 hour'
    group by b.id
), by_lane as (
    select lane, sum(case when finished_at is null then greatest(expanded, known) else known end - settled) as waiting,
        sum(abs(due - known)) filter (where ended) as unaccounted
    from counted group by lane
)
select l.lane::text, case when l.lane = 'reply'
        then (select count(*) from dispatcher.delivery d where d.lane = 'reply' and d.due_at is not null)
        else coalesce(c.waiting, 0) end::int as waiting,
    coalesce(c.unaccounted, 0)::int as unaccounted,
    coalesce(extract(epoch from clock_timestamp() - (
        select min(d.due_at) from dispatcher.delivery d where d.lane = l.lane and d.due_at <= statement_timestamp()
    )), 0)::float8 as overdue_seconds,
    coalesce(extract(epoch from clock_timestamp() - (
        select min(d.unknown_at) from dispatcher.delivery d where d.unknown_at is not null
    )), 0)::float8 as unknown_seconds,
    (select r.paused_reason is not null from dispatcher.rate r where r.number = $1) as sending_paused
from unnest(enum_range(null::dispatcher.lane)) as l (lane) left join by_lane c on c.lane = l.lane
"""

_REPORT_UNREACHABLE = """
insert into dispatcher.unreachable as u (replica, number, reason, since)
values ($1, $2, $3, clock_timestamp() - $4 * interval '1 second')
on conflict (replica) do update set number = excluded.number, reason = excluded.reason, since = excluded.since,
    said_at = excluded.said_at
"""

PAUSE_TEMPLATE = """
insert into dispatcher.template_pause (template, reason) values ($1, $2) on conflict do nothing returning true
"""
PAUSE_BROADCAST = """
update dispatcher.broadcast set paused_reason = case when finished_at is null then $2 end
where id = $1 and paused_reason is null returning true
"""
RESUME_TEMPLATE = "delete from dispatcher.template_pause where template = $1"


class PostgresLedger(LedgerResults):
    """Ledger of one phone number."""

    async def ensure_partitions(self) -> bool:
        """Create the partitions of the coming weeks; return False if a reader of the whole table blocks that."""
        return bool(await self.database.fetchval("select dispatcher.ensure_partitions()"))

    async def find_work(self) -> tuple[dict[Lane, int], list[str]]:
        """Return due deliveries by lane, counted up to a limit, and other due tasks: unknown, progress, …"""
        row = await self.database.fetchrow(_FIND_WORK, list(Lane), MAX_DUE_COUNT)
        tasks = [name for name, is_due in row.items() if is_due is True]
        return {lane: count for lane, count in zip(Lane, row["due"], strict=True) if count}, tasks

    async def extend_follow_up(self, limit: int) -> bool:
        """Add up to `limit` recipients to one unlocked follow-up, an urgent one first; return False if none is due."""
        async with self.database.transaction() as connection:
            row = await connection.fetchrow(_CLAIM_FOLLOW_UP)
            if row is None:
                return False
            key = (row["broadcast"], row["follows"])
            page = await connection.fetchrow(_EXTEND_FOLLOW_UP, *key, row["position"], limit, self.slot, row["last"])
            assert page is not None  # noqa: S101 - a count has one row
            position = page["position"] if page["found"] == limit and not row["ended"] else None
            is_last = page["last"] or row["ended"]
            await connection.execute("select dispatcher.end_page($1, $2, $3, $4)", *key, position, is_last)
        return True

    async def cancel(self, broadcast: UUID, reason: str) -> None:
        """Cancel a broadcast: from the commit on, none of its deliveries is claimed."""
        statement = "insert into dispatcher.cancellation (broadcast, reason) values ($1, $2) on conflict do nothing"
        await self.database.fetchval(statement, broadcast, reason)

    async def collect_progress(self, grace_seconds: float, *, late: bool = False) -> list[BroadcastProgress]:
        """Return broadcasts with changes that have not been published for a second.

        An outcome still unknown `grace_seconds` after the expiry counts as final. `late` ones are those that statuses
        have changed since the end, for three days; they are returned again until they are marked as published.
        """
        statement = _COLLECT_LATE_PROGRESS if late else _COLLECT_PROGRESS
        rows = await self.database.fetch(statement, grace_seconds, self.number)
        return [_read_progress(list(group)) for _, group in groupby(rows, key=lambda row: row["id"])]

    async def mark_published(self, progress: BroadcastProgress) -> None:
        statement = "update dispatcher.broadcast set progress = $2::text::jsonb where id = $1"
        await self.database.fetchval(statement, progress.broadcast, progress.counters)

    async def get_progress(self, broadcast: UUID) -> BroadcastProgress | None:
        """Return the progress, or None for a broadcast that is not, or no longer, in the ledger."""
        rows = await self.database.fetch(_COLLECT_ONE, None, broadcast)
        return _read_progress(rows) if rows else None

    async def get_cancellation(self, broadcast: UUID) -> str | None:
        """Return why a broadcast was cancelled, or None if it was not; it may have no row of its own."""
        statement = "select reason from dispatcher.cancellation where broadcast = $1"
        reason: str | None = await self.database.fetchval(statement, broadcast)
        return reason

    async def finish(self, broadcast: UUID) -> float | None:
        """Mark a broadcast as finished, and return the seconds since its publication.

        Return None if a delivery is still waiting or claimed, or if another replica was first.
        """
        seconds: float | None = await self.database.fetchval(_FINISH, broadcast)
        return seconds

    async def read_backlog(self) -> Backlog:
        rows = await self.database.fetch(_BACKLOG, self.number)
        return Backlog(
            waiting={Lane(row["lane"]): row["waiting"] for row in rows},
            overdue_seconds={Lane(row["lane"]): row["overdue_seconds"] for row in rows},
            unaccounted=sum(row["unaccounted"] for row in rows),
            unknown_seconds=rows[0]["unknown_seconds"],
            sending_paused=bool(rows[0]["sending_paused"]),
        )

    async def report_unreachable(self, reason: str, seconds: float) -> None:
        """Record for operators how long Meta has been unreachable from this replica; kept for a short time."""
        await self.database.fetchval(_REPORT_UNREACHABLE, REPLICA, self.number, reason, seconds)

    async def pause_template(self, template: str, reason: str) -> bool:
        """Pause broadcasts with this template from the commit on; return whether they were not paused before."""
        return bool(await self.database.fetchval(PAUSE_TEMPLATE, template, reason))

    async def pause_broadcast(self, broadcast: UUID, reason: str) -> bool:
        """Pause a broadcast unless it has finished, until an operator resumes it; return whether this paused it."""
        return bool(await self.database.fetchval(PAUSE_BROADCAST, broadcast, reason))

    async def requeue_waiting(self, limit: int) -> int:
        """End, suspend or requeue up to `limit` waiting deliveries of each kind, and return their number."""
        statement = "select dispatcher.requeue_waiting($1, $2, $3)"
        return int(await self.database.fetchval(statement, self.number, self.slot, limit))


def _read_progress(rows: Sequence[asyncpg.Record]) -> BroadcastProgress:
    """Return a broadcast's progress: finished when no delivery is waiting, or unknown and still open to change."""
    first = rows[0]
    states = {DeliveryState(row["state"]): row["deliveries"] for row in rows if row["deliveries"]}
    recorded = sum(states.values())
    audience = recorded if first["is_cut"] else first["audience"]
    if audience is not None:  # of those who got it before a restore, some may have left before it was expanded again
        audience = max(audience, recorded)
    undecided = {DeliveryState.UNKNOWN} if not first["is_over"] else set()
    open_states = states.keys() & {DeliveryState.WAITING, DeliveryState.CLAIMED, *undecided}
    return BroadcastProgress(
        broadcast=first["id"],
        audience=audience,
        states=states,
        finished=audience == recorded and not open_states,
        cancelled=first["cancelled"],
        person_limited=first["limited"],
        counters=first["counters"],
        failures=_read_failures(first["failures"], states),
    )


def _read_failures(by_code: str | None, states: Mapping[DeliveryState, int]) -> Mapping[int | None, int]:
    """Return the failed deliveries by code; None stands for those that only the counters in `states` include."""
    counts: dict[int | None, int] = {**msgspec.json.decode(by_code or "{}", type=dict[int, int])}
    without_code = states.get(DeliveryState.FAILED, 0) - sum(counts.values())
    return counts | ({None: without_code} if without_code > 0 else {})
