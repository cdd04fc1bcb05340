"""`kreisfunk sending`: sending limits and their use, causes of waiting, pause and resume."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import asyncpg
import typer

from cli.operate.session import Reason, explain_wait, refuse, run_on_ledger
from cli.options import DatabaseStack, Json
from cli.output import escape, format_duration, format_list, format_pairs, format_time, print_result

RATE_SAMPLE_SECONDS = 1.0
# Every delivery that neither waits nor ended unsent has been requested from Meta.
_SENT = """
select coalesce(sum(n.deliveries), 0)::int
from dispatcher.broadcast b join dispatcher.broadcast_count n on n.broadcast = b.id
where (b.finished_at is null or b.finished_at > clock_timestamp() - interval '1 minute')
    and n.state not in ('waiting', 'claimed', 'expired', 'cancelled', 'suppressed')
"""
_LIMITS = "select * from dispatcher.read_limits()"
_WAITING = "select lane, cause as waits_for, deliveries, at_least, due_at from dispatcher.count_waiting()"
# Dispatchers rewrite these rows every second.
_UNREACHABLE = """
select number, replica, reason, since from dispatcher.unreachable
where said_at > clock_timestamp() - interval '10 seconds' order by since
"""
Limits = dict[str, Any]
Number = Annotated[str | None, typer.Option(help="Meta's id of one of our numbers; else all.")]

app = typer.Typer()


@app.callback(invoke_without_command=True)
def show_limits(context: typer.Context, json: Json = False, stack: DatabaseStack = None) -> None:
    """Show the limits. Takes one second to measure the used rate.

    Exit status: 0, 2 wrong command line, 4 database unavailable or role refused.
    """
    if context.invoked_subcommand:
        return
    numbers, waiting = run_on_ledger(stack, _read_limits)
    print_result({"numbers": numbers, "waiting": waiting}, _format_text(numbers, waiting), json=json)


@app.command()
def pause(reason: Reason, number: Number = None, json: Json = False, stack: DatabaseStack = None) -> None:
    """Pause all sending within a second, replies included, until somebody resumes it.

    Exit status: 0 paused, 2 wrong command line, 3 somebody has paused it already, or no such number, 4 database
    unavailable or role refused.
    """
    paused = run_on_ledger(stack, lambda ledger: _pause(ledger, reason, number))
    if not paused:
        refuse("There is no such number.", "`kreisfunk sending` shows ours, once a dispatcher has run.")
    print_result({"result": "paused", "numbers": paused, "reason": reason}, f"paused: {reason}", json=json)


async def _pause(ledger: asyncpg.Connection, reason: str, number: str | None) -> int:
    """Pause what no person has paused, and return how many numbers that is; ends the command if it is none of them."""
    rows = [row for row in await ledger.fetch(_LIMITS) if number in (None, row["number"])]
    free = [row["number"] for row in rows if not row["paused_by_operator"]]
    if rows and not free:
        advice = "Nothing was changed. `kreisfunk sending resume` ends that pause, so ask whoever paused it."
        refuse(f"Sending is paused already: {rows[0]['paused_reason']}", advice)
    statement = "select dispatcher.pause_sending($1, $2)"
    return sum([await ledger.fetchval(statement, reason, each) for each in free])


@app.command()
def resume(number: Number = None, json: Json = False, stack: DatabaseStack = None) -> None:
    """Resume sending. If the cause of a pause by Meta persists, the next message pauses sending again.

    Exit status: 0 resumed, 2 wrong command line, 3 nothing was paused, or a restored database may need older keys, 4
    database unavailable or role refused.
    """
    resumed = run_on_ledger(stack, lambda ledger: _resume(ledger, number))
    if resumed is None:
        problem = 'This database was restored, and a "Stop" may not match anybody in it.'
        refuse(problem, "Rotate with `kreisfunk keys` until `kreisfunk keys status` exits with 0.")
    if not resumed:
        refuse("Sending is not paused.")
    print_result({"result": "resumed", "numbers": resumed}, "resumed", json=json)


async def _resume(ledger: asyncpg.Connection, number: str | None) -> int | None:
    """Return how many numbers were paused; None if keys are not confirmed after a restore."""
    try:
        return int(await ledger.fetchval("select dispatcher.resume_sending($1)", number))
    except asyncpg.ObjectNotInPrerequisiteStateError:
        return None


async def _read_limits(ledger: asyncpg.Connection) -> tuple[list[Limits], list[dict[str, Any]]]:
    before = await ledger.fetchval(_SENT)
    await asyncio.sleep(RATE_SAMPLE_SECONDS)
    used = max(0, await ledger.fetchval(_SENT) - before) / RATE_SAMPLE_SECONDS
    unreachable = await ledger.fetch(_UNREACHABLE)
    numbers = [_build_limits(row, used, unreachable) for row in await ledger.fetch(_LIMITS)]
    return numbers, [dict(row) for row in await ledger.fetch(_WAITING)]


def _build_limits(row: asyncpg.Record, used: float, unreachable: Sequence[asyncpg.Record]) -> Limits:
    """Return the limits of one sending number. Rates are in messages per second.

    `waits` are texts about what delays all messages, `unreachable` about dispatchers that cannot reach Meta.
    """
    names = ("number", "paused_reason", "paused_by_operator", "people_a_day", "messages_a_month")
    return {
        **{name: row[name] for name in names},
        "rate_limit": round(row["ceiling"], 1),
        "rate_permitted": 0.0 if row["paused_reason"] else round(row["permitted"], 1),
        "rate_used": round(used, 1),
        "people_used": row["people"] if row["people_a_day"] is not None else None,
        "messages_used": row["messages"] if row["messages_a_month"] is not None else None,
        "waits": _explain_waits(row),
        "unreachable": [
            f"Meta is not reachable since {format_time(outage['since'])} from {outage['replica']}: {outage['reason']}"
            for outage in unreachable
            if outage["number"] == row["number"]
        ],
    }


def _explain_waits(row: asyncpg.Record) -> list[str]:
    reasons = []
    if row["paused_reason"]:
        until = f"next try in {format_duration(row['probe_seconds'])}"
        if row["paused_by_operator"]:
            until = "until somebody resumes it"
        reasons.append(f"paused: {row['paused_reason']} ({until})")
    if row["permitted"] < 0.99 * row["ceiling"]:
        seconds = (row["ceiling"] - row["permitted"]) / row["ceiling"] * 50
        reasons.append(f"slowed down by Meta: full rate again in {format_duration(seconds)}")
    if row["pause_seconds"] > 1:
        reasons.append(f"paused by Meta for {format_duration(row['pause_seconds'])}")
    if row["people_a_day"] is not None and row["people"] >= row["people_a_day"]:
        reasons.append("nobody new today: Meta's limit of different people in 24 hours is used up")
    if row["messages_a_month"] is not None and row["messages"] >= row["messages_a_month"]:
        reasons.append("nothing more this month: the budget is used up")
    return reasons


def _format_text(numbers: list[Limits], waiting: list[dict[str, Any]]) -> str:
    if not numbers:
        return "No dispatcher has run here yet."
    rows = [
        (row["lane"], f"{'at least ' if row['at_least'] else ''}{row['deliveries']}", explain_wait(row["waits_for"]))
        for row in waiting
    ]
    # A dispatcher that sends nothing takes nothing from the broker either.
    is_blocked = any(limits["paused_reason"] or limits["unreachable"] for limits in numbers)
    empty = "nothing waits in the ledger; newer messages wait at the broker" if is_blocked else "nothing waits"
    unreachable = [escape(sentence, line=True) for limits in numbers for sentence in limits["unreachable"]]
    waits = format_list(("lane", "waiting", "for"), rows, empty=empty)
    return "\n\n".join((*map(_format_limits, numbers), *unreachable, waits))


def _format_limits(limits: Limits) -> str:
    rate = "{rate_permitted:g} permitted, {rate_used:g} used, of {rate_limit:g} a second"
    return format_pairs(
        ("number", limits["number"]),
        ("rate", rate.format_map(limits)),
        ("people in 24 hours", _format_usage(limits["people_used"], limits["people_a_day"])),
        ("messages this month", _format_usage(limits["messages_used"], limits["messages_a_month"])),
        ("everybody waits", "; ".join(limits["waits"]) or "no"),
    )


def _format_usage(used: int | None, limit: int | None) -> str:
    return "no limit" if limit is None else f"{used} of {limit}"
