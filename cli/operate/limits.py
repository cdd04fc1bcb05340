"""`kreisfunk limits`: how fast we may send, and why everybody waits just now."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import asyncpg
import typer

from cli.operate.session import Reason, Stack, on_ledger, refuse, show
from cli.operate.tables import moment, pairs, span, table
from cli.operate.waits import waiting_words
from cli.options import Json
from cli.output import escape

MEASURED_SECONDS = 1.0
# Everything that is neither waiting nor ended without a request has had one.
_SENT = """
select coalesce(sum(n.deliveries), 0)::int
from dispatcher.broadcast b join dispatcher.broadcast_count n on n.broadcast = b.id
where (b.finished_at is null or b.finished_at > clock_timestamp() - interval '1 minute')
    and n.state not in ('waiting', 'claimed', 'expired', 'cancelled', 'suppressed')
"""
_LIMITS = """
select r.number, r.ceiling, r.held_reason, r.held_by_hand, r.people_a_day, r.messages_a_month,
    least(r.ceiling, r.per_second + r.ceiling / 50 * greatest(0, extract(epoch from c.now - r.changed_at)))::float8
        as permitted,
    extract(epoch from greatest(r.next_at, c.now) - c.now)::float8 as pause_seconds,
    extract(epoch from greatest(r.probe_at, c.now) - c.now)::float8 as probe_seconds,
    (select coalesce(sum(m.people), 0)::int from dispatcher.reached_minute m
     where m.minute > clock_timestamp() - interval '24 hours 1 minute') as people,
    coalesce((select s.messages from dispatcher.sent_month s where s.month = dispatcher.this_month()), 0) as messages
from dispatcher.rate r, (select clock_timestamp() as now) c order by r.number
"""
_WAITING = """
select lane::text, waits_for::text, count(*)::int as deliveries, min(due_at) as due_at
from dispatcher.delivery where waits_for is not null group by lane, 2 order by lane, 3 desc
"""
# Dispatchers repeat it every second.
_UNREACHABLE = """
select number, replica, reason, since from dispatcher.unreachable
where said_at > clock_timestamp() - interval '10 seconds' order by since
"""
Number = Annotated[str | None, typer.Option(help="Meta's id of one of our numbers; else all.")]

app = typer.Typer(help="How fast we may send, why everybody waits just now; hold and release.")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """One sending number. Rates are in messages per second.

    In plain words, `waits` is why everybody waits, `unreachable` which dispatchers do not reach Meta.
    """

    number: str
    rate_limit: float
    rate_permitted: float
    rate_used: float
    held: str | None
    held_by_hand: bool
    people_a_day: int | None
    people_used: int | None
    messages_a_month: int | None
    messages_used: int | None
    waits: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)


@app.callback(invoke_without_command=True)
def limits(context: typer.Context, json: Json = False, stack: Stack = None) -> None:
    """Show the limits. Takes a second, in which the rate that is used is measured.

    Exit status: 0, 2 wrong command line, 4 database away or role refused.
    """
    if context.invoked_subcommand:
        return
    numbers, waiting = on_ledger(stack, _read)
    show({"numbers": [asdict(one) for one in numbers], "waiting": waiting}, _text(numbers, waiting), json=json)


@app.command()
def hold(reason: Reason, number: Number = None, json: Json = False, stack: Stack = None) -> None:
    """Within a second nothing is sent any more, replies included, until somebody releases it.

    Exit status: 0 held, 2 wrong command line, 3 no such number, 4 database away or role refused.
    """
    held = on_ledger(stack, lambda ledger: ledger.fetchval("select dispatcher.hold_sender($1, $2)", reason, number))
    if not held:
        refuse("There is no such number.")
    show({"result": "held", "numbers": held, "reason": reason}, f"held: {reason}", json=json)


@app.command()
def release(number: Number = None, json: Json = False, stack: Stack = None) -> None:
    """Send again. If the cause of a hold by Meta is still there, the next message holds everything again.

    Exit status: 0 released, 2 wrong command line, 3 nothing was held, 4 database away or role refused.
    """
    released = on_ledger(stack, lambda ledger: ledger.fetchval("select dispatcher.release_sender($1)", number))
    if not released:
        refuse("Nothing is held.")
    show({"result": "released", "numbers": released}, "released", json=json)


async def _read(ledger: asyncpg.Connection) -> tuple[list[Limits], list[dict[str, Any]]]:
    before = await ledger.fetchval(_SENT)
    await asyncio.sleep(MEASURED_SECONDS)
    used = max(0, await ledger.fetchval(_SENT) - before) / MEASURED_SECONDS
    unreachable = await ledger.fetch(_UNREACHABLE)
    numbers = [_limits(row, used, unreachable) for row in await ledger.fetch(_LIMITS)]
    return numbers, [dict(row) for row in await ledger.fetch(_WAITING)]


def _limits(row: asyncpg.Record, used: float, unreachable: Sequence[asyncpg.Record]) -> Limits:
    return Limits(
        number=row["number"],
        rate_limit=round(row["ceiling"], 1),
        rate_permitted=0.0 if row["held_reason"] else round(row["permitted"], 1),
        rate_used=round(used, 1),
        held=row["held_reason"],
        held_by_hand=row["held_by_hand"],
        people_a_day=row["people_a_day"],
        people_used=row["people"] if row["people_a_day"] is not None else None,
        messages_a_month=row["messages_a_month"],
        messages_used=row["messages"] if row["messages_a_month"] is not None else None,
        waits=list(_waits(row)),
        unreachable=[
            f"Meta is not reachable since {moment(one['since'])} from {one['replica']}: {one['reason']}"
            for one in unreachable
            if one["number"] == row["number"]
        ],
    )


def _waits(row: asyncpg.Record) -> list[str]:
    found = []
    if row["held_reason"]:
        until = "until somebody releases it" if row["held_by_hand"] else f"next try in {span(row['probe_seconds'])}"
        found.append(f"held: {row['held_reason']} ({until})")
    if row["permitted"] < 0.99 * row["ceiling"]:
        seconds = (row["ceiling"] - row["permitted"]) / row["ceiling"] * 50
        found.append(f"slowed down by Meta: full rate again in {span(seconds)}")
    if row["pause_seconds"] > 1:
        found.append(f"paused by Meta for {span(row['pause_seconds'])}")
    if row["people_a_day"] is not None and row["people"] >= row["people_a_day"]:
        found.append("nobody new today: Meta's limit of different people in 24 hours is used up")
    if row["messages_a_month"] is not None and row["messages"] >= row["messages_a_month"]:
        found.append("nothing more this month: the budget is used up")
    return found


def _text(numbers: list[Limits], waiting: list[dict[str, Any]]) -> str:
    if not numbers:
        return "No dispatcher has run here yet."
    rows = [(row["lane"], row["deliveries"], waiting_words(row["waits_for"])) for row in waiting]
    unreachable = [escape(sentence, line=True) for limits in numbers for sentence in limits.unreachable]
    waits = table(("lane", "waiting", "for"), rows) if rows else "nothing waits"
    return "\n\n".join((*map(_one, numbers), *unreachable, waits))


def _one(limits: Limits) -> str:
    return pairs(
        ("number", limits.number),
        ("rate", f"{limits.rate_permitted:g} permitted, {limits.rate_used:g} used, of {limits.rate_limit:g} a second"),
        ("people in 24 hours", _of(limits.people_used, limits.people_a_day)),
        ("messages this month", _of(limits.messages_used, limits.messages_a_month)),
        ("everybody waits", "; ".join(limits.waits) or "no"),
    )


def _of(used: int | None, limit: int | None) -> str:
    return "no limit" if limit is None else f"{used} of {limit}"
