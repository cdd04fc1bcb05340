"""Broadcasts, scheduled ones and those in the ledger, read with a role that cannot read addresses."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.dispatcher.domain.errors import explain_failure

_BROADCASTS = """
select b.id as broadcast, b.notice, b.revision, b.topic, b.lane::text, b.template, b.published_at, b.expires_at,
    b.finished_at, b.opens, b.closes, b.zone, extract(epoch from b.spacing)::float8 as spacing_seconds, b.paused_reason,
    b.audience, b.expanded, dispatcher.standing(b.id) as standing,
    (select p->>'text' from subscriptions.broadcast s, jsonb_array_elements(s.template->'parameters') p
        where s.id = b.id and p->>'name' = 'headline') as headline,
    (select x.reason from dispatcher.cancellation x where x.broadcast = b.id) as cancelled_reason,
    (select h.reason from dispatcher.template_pause h where h.template = b.template) as template_reason,
    b.finished_at is not null or b.expires_at < clock_timestamp() - interval '1 minute' as ended,
    exists (select from dispatcher.restore r where r.lost_at > b.published_at) as restored,
    (select coalesce(json_object_agg(state, deliveries), '{}') from (
        select n.state, sum(n.deliveries) as deliveries from dispatcher.broadcast_count n
        where n.broadcast = b.id group by n.state having sum(n.deliveries) <> 0
    ) as counts)::text as states,
    (select count(*) from dispatcher.broadcast) as total
from dispatcher.broadcast b
"""
_LATEST = _BROADCASTS + "order by b.published_at desc, b.id limit $1"
_ONE = _BROADCASTS + "where b.id = $1"
_WAITS = """
select waits_for::text as cause, count(*)::int as deliveries, min(due_at) as due_at
from dispatcher.delivery where source = $1 and waits_for is not null group by 1 order by 2 desc, 1
"""
_FAILURES = """
select error_code, count(*)::int as deliveries
from dispatcher.delivery
where id between dispatcher.first_id($1::uuid) and dispatcher.last_id($1::uuid) 
    and source = $1 and state = 'failed'
group by error_code order by 2 desc, 1
"""
# Without a row in the ledger: scheduled, or the first page of recipients has not arrived. In a pause all pages wait at
# the broker; the ledger forgets what expired long ago.
_PLANNED = """
select b.id as broadcast, b.notice, b.revision, b.topic, b.lane, b.template->>'name' as template,
    case when x.broadcast is null then b.state else 'cancelled' end as standing, coalesce(x.reason, b.reason) as reason,
    b.published_at, b.expires_at, b.opens, b.closes, b.zone,
    (select p->>'text' from jsonb_array_elements(b.template->'parameters') p where p->>'name' = 'headline') as headline,
    count(*) over () as total
from subscriptions.broadcast b left join dispatcher.cancellation x on x.broadcast = b.id
where not exists (select from dispatcher.broadcast l where l.id = b.id)
    and (b.state <> 'expanded' or b.expires_at > clock_timestamp() - interval '1 day')
"""
_NEXT_PLANNED = f"{_PLANNED} and b.state <> 'cancelled' and x.broadcast is null order by b.published_at, b.id limit $1"
_ONE_PLANNED = f"{_PLANNED} and b.id = $1"
REPLACED, SUPERSEDED = "replaced", "superseded"
ACCEPTED = ("accepted", "sent", "delivered", "read")
NOT_ACCEPTED = ("failed", "expired", "cancelled", "suppressed", "unknown")
_IDENTITY = ("broadcast", "notice", "revision", "topic", "lane", "template", "standing", "headline")
_TIMES = ("published_at", "expires_at", "finished_at", "opens", "closes", "zone", "spacing_seconds")
Row = dict[str, Any]


async def fetch_latest(ledger: asyncpg.Connection, number: int) -> tuple[list[Row], tuple[int, int]]:
    """Return up to `number` broadcasts yet to begin, next first, and in the ledger, newest first, and both totals."""
    planned, begun = await ledger.fetch(_NEXT_PLANNED, number), await ledger.fetch(_LATEST, number)
    totals = (planned[0]["total"] if planned else 0, begun[0]["total"] if begun else 0)
    return [*map(_build_planned, planned), *map(_build_begun, begun)], totals


async def fetch_one(ledger: asyncpg.Connection, broadcast: UUID) -> Row | None:
    """Return all details of a broadcast from one snapshot, or None."""
    async with ledger.transaction(isolation="repeatable_read", readonly=True):
        row = await ledger.fetchrow(_ONE, broadcast)
        if row is None:
            row = await ledger.fetchrow(_ONE_PLANNED, broadcast)
            return _build_planned(row) if row else None
        waits = [dict(wait) for wait in await ledger.fetch(_WAITS, broadcast)]
        failures = [
            {"code": code, "reason": explain_failure(code), "deliveries": deliveries}
            for code, deliveries in await ledger.fetch(_FAILURES, broadcast)
        ]
    return _build_begun(row, waits, failures)


def _build_begun(row: asyncpg.Record, waits: Sequence[Row] = (), failures: Sequence[Row] = ()) -> Row:
    states: dict[str, int] = msgspec.json.decode(row["states"])
    audience = row["audience"]
    if (row["cancelled_reason"] and row["finished_at"]) or (row["restored"] and row["ended"]):
        audience = sum(states.values())  # a cancellation may have stopped the remaining pages, a restore lost them
    elif row["restored"] and audience is not None:  # it was expanded again, and some had left since
        audience = max(audience, sum(states.values()))
    counts = _count_recipients(states, audience=audience, expanded=row["expanded"], ended=row["ended"])
    view = _build_view(row, row["cancelled_reason"] or row["paused_reason"] or row["template_reason"], counts)
    if row["cancelled_reason"] == SUPERSEDED and counts["complete"] and not (counts["cancelled"] or counts["waiting"]):
        view["standing"] = REPLACED  # it had already been sent to everybody
    return view | {
        "steps": {state: states.get(state, 0) for state in ACCEPTED},
        "waits": [*waits, *_build_other_waits(states, counts["waiting"])],
        "failures": failures,
    }


def _build_planned(row: asyncpg.Record) -> Row:
    return _build_view(row, row["reason"], _count_recipients({}, audience=None, expanded=0, ended=False))


def _build_view(row: asyncpg.Record, reason: str | None, counts: Row) -> Row:
    """Return one broadcast. `reason` is that of its pause or cancellation; `steps` counts accepted messages by status.

    `waits` has the number of deliveries and the first due time by cause, `failures` the number by Meta's code.
    """
    return {
        **{name: row[name] for name in _IDENTITY},
        "reason": reason,
        "counts": counts,
        "steps": {},
        **{name: row.get(name) for name in _TIMES},
        "waits": [],
        "failures": [],
    }


def _build_other_waits(states: Mapping[str, int], waiting: int) -> list[Row]:
    """Return the groups without a waiting row: being sent to Meta, or still in a batch."""
    sending = states.get("claimed", 0)
    waits = (("sending", sending), ("queue", waiting - states.get("waiting", 0) - sending))
    return [{"cause": cause, "deliveries": deliveries, "due_at": None} for cause, deliveries in waits if deliveries]


def _count_recipients(states: Mapping[str, int], *, audience: int | None, expanded: int, ended: bool) -> Row:
    """Count recipients by state; the states add up to the audience, which is final once `complete`.

    Without a row in the ledger they wait in a batch while the broadcast runs. Later they are `unaccounted`, which must
    be 0.
    """
    recorded = sum(states.values())
    everybody = audience if audience is not None else max(expanded, recorded)
    missing = everybody - recorded
    return {
        "audience": everybody,
        "complete": audience is not None,
        "accepted": sum(states.get(state, 0) for state in ACCEPTED),
        **{state: states.get(state, 0) for state in NOT_ACCEPTED},
        "waiting": states.get("waiting", 0) + states.get("claimed", 0) + (0 if ended else missing),
        "unaccounted": missing if ended else 0,
    }
