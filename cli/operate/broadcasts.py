"""`kreisfunk broadcasts`: list, pause, resume, cancel and resend broadcasts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from uuid import UUID

import asyncpg
import typer

from cli.operate import ledger
from cli.operate.ledger import Row
from cli.operate.session import Reason, Yes, explain_wait, refuse, run_on_ledger, warn_of_duplicates
from cli.options import DatabaseStack, Json
from cli.options import Yes as YesForGood
from cli.output import Exit, confirm, fail, format_list, format_pairs, format_table, format_time, note, print_result

Broadcast = Annotated[UUID, typer.Argument(help="Id of the broadcast, from `publish` or `broadcasts list`.")]
REFUSALS: Mapping[str, str] = {
    "missing": (
        "There is no such broadcast in the ledger. If `kreisfunk broadcasts list` has it, its recipients are not there"
        " yet: `kreisfunk withdraw` ends it, or once it is expanded, `kreisfunk broadcasts cancel`."
    ),
    "cancelled": "The broadcast was cancelled.",
    "finished": "The broadcast has finished.",
    "expired": "The broadcast has expired: it cannot be sent any more.",
    "paused": "The broadcast is paused already: see `kreisfunk broadcasts show`. Resuming it ends that pause, too.",
    "running": "The broadcast is not paused.",
    "template_paused": "The broadcast is not paused; its template is paused: see `kreisfunk templates list`.",
}
UNPAUSED = ("running", "template_paused")
UNFINISHED = (*UNPAUSED, "paused")
_COLUMNS = (
    *("broadcast", "notice", "revision", "lane", "standing"),
    *("audience", "accepted", "failed", "unknown", "waiting", "headline"),
)
_HEAD = [{"revision": "rev", "standing": "state"}.get(name, name) for name in _COLUMNS]
SCHEDULED, EXPANDED = "scheduled", "expanded"
MAX_HEADLINE_LENGTH = 40
# Keeps the reason of an earlier pause, by somebody else or by Meta.
_PAUSE = """
select case when standing = 'paused' then standing else dispatcher.pause_broadcast($1, $2) end
from dispatcher.standing($1) standing
"""
# Ends expansion and sending; even if the ledger does not know the broadcast, pages may be on their way.
_CANCEL = """
select case when expansion = 'expanding' or before = 'missing' then coalesce(expansion, before) else before end
from subscriptions.cancel_expansion($1, $2) expansion,
    dispatcher.cancel_broadcast($1, $2, expansion is not null) before
"""
_IS_EXPANDED = "select exists (select from subscriptions.broadcast where id = $1 and state = 'expanded')"
_COUNTS = ("accepted", "failed", "expired", "cancelled", "suppressed", "unknown", "waiting")

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_broadcasts(
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many of each.")] = 20,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """List broadcasts: those that have not begun, the next first, then those in the ledger, newest first.

    Exit status: 0, 2 wrong command line, 4 database unavailable or role refused.
    """
    broadcasts, totals = run_on_ledger(stack, lambda connection: ledger.fetch_latest(connection, number))
    text = format_list(_HEAD, list(map(_format_line, broadcasts)), empty="no broadcasts")
    if more := sum(totals) - len(broadcasts):
        text += f"\n{more} more: --number {max(totals)}"
    print_result({"total": sum(totals), "broadcasts": broadcasts}, text, json=json)


@app.command("show")
def show_broadcast(broadcast: Broadcast, json: Json = False, stack: DatabaseStack = None) -> None:
    """Show the state of all recipients of a broadcast, with the reasons for waiting and failing.

    Exit status: 0, 2 wrong command line, 3 no such broadcast, 4 database unavailable or role refused.
    """
    row = run_on_ledger(stack, lambda connection: ledger.fetch_one(connection, broadcast))
    if row is None:
        refuse("There is no such broadcast.", "`kreisfunk broadcasts list` has the ids.")
    print_result(row, _format_page(row), json=json)


@app.command()
def pause(broadcast: Broadcast, reason: Reason, json: Json = False, stack: DatabaseStack = None) -> None:
    """Pause a broadcast until somebody resumes it; messages that were sent stay sent.

    Exit status: 0 paused, 2 wrong command line, 3 paused already, ended or no such broadcast, 4 database unavailable
    or role refused.
    """
    _change("paused", _PAUSE, (broadcast, reason), UNPAUSED, json=json, stack=stack)


@app.command()
def resume(broadcast: Broadcast, json: Json = False, stack: DatabaseStack = None) -> None:
    """Resume a paused broadcast.

    Exit status: 0 resumed, 2 wrong command line, 3 not paused, 4 database unavailable or role refused.
    """
    statement = "select dispatcher.resume_broadcast($1)"
    _change("resumed", statement, (broadcast,), ("paused",), json=json, stack=stack)


@app.command()
def cancel(
    broadcast: Broadcast, reason: Reason, yes: YesForGood = False, json: Json = False, stack: DatabaseStack = None
) -> None:
    """Cancel the rest of a broadcast for good. To end all broadcasts of a notice, use `kreisfunk withdraw`.

    Exit status: 0 cancelled, 1 aborted, 2 wrong command line, 3 ended or no such broadcast,
    4 database unavailable or role refused.
    """
    waiting = None if yes else run_on_ledger(stack, lambda connection: _describe_waiting(connection, broadcast))
    if waiting:
        note(waiting, "yellow")
        confirm("Cancel it for good?", yes=yes, otherwise="Nothing was changed.")
    _change("cancelled", _CANCEL, (broadcast, reason), (*UNFINISHED, "expanding", "expanded"), json=json, stack=stack)


async def _describe_waiting(connection: asyncpg.Connection, broadcast: UUID) -> str | None:
    """Return a text about those who would no longer get it; None if there is nothing to cancel."""
    row = await ledger.fetch_one(connection, broadcast)
    if row is None or row["standing"] == EXPANDED:
        is_expanded = await connection.fetchval(_IS_EXPANDED, broadcast)
        return f"{broadcast}: those whose messages wait at the broker will not get it." if is_expanded else None
    if row["standing"] not in (*UNFINISHED, "expanding"):
        return None
    number = f"{row['counts']['waiting']}{'' if row['counts']['complete'] else ' so far'}"
    return f"{row['headline'] or broadcast}: those who wait ({number}) will not get it."


@app.command()
def resend(
    broadcast: Broadcast,
    missing: Annotated[bool, typer.Option("--missing", help="To those for whom it failed.")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="With --missing: also to those with an unknown outcome.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Send a broadcast again to those who did not get it, unless it has expired or was cancelled.

    Exit status: 0 queued for sending, 1 aborted, 2 wrong command line, 3 ended or no such broadcast, 4 database
    unavailable or role refused.
    """
    if not missing:
        advice = "Add --missing: --unknown only extends it." if unknown else ""
        fail("Pass --missing.", advice, Exit.USAGE)
    if unknown:
        warn_of_duplicates("Unknown outcomes", yes=yes)
    statement = "select * from dispatcher.resend_missing($1, $2)"
    row = run_on_ledger(stack, lambda connection: connection.fetchrow(statement, broadcast, unknown))
    before, failed, not_known = row or ("missing", 0, 0)
    if before in ("missing", "cancelled", "expired"):
        refuse(REFUSALS[before])
    result = {"result": "waiting", "broadcast": broadcast, "failed": failed, "unknown": not_known}
    text = f"sent again: {failed} failed, {not_known} unknown; see `kreisfunk broadcasts show {broadcast}`"
    print_result(result, text, json=json)


def _change(
    result: str, statement: str, arguments: Sequence[object], allowed: Sequence[str], *, json: bool, stack: Path | None
) -> None:
    """Execute a statement that returns the previous standing; print the result if that standing allowed the change."""
    before = run_on_ledger(stack, lambda connection: connection.fetchval(statement, *arguments))
    if before not in allowed:
        refuse(REFUSALS[before])
    changed = {"result": result, "broadcast": arguments[0], "before": before}
    print_result(changed, f"{result}: broadcast {arguments[0]}", json=json)


def _format_line(broadcast: Row) -> tuple[object, ...]:
    headline = broadcast["headline"] or "-"
    if len(headline) > MAX_HEADLINE_LENGTH:
        headline = f"{headline[: MAX_HEADLINE_LENGTH - 1]}…"
    values = {**broadcast["counts"], **broadcast, "headline": headline}
    return tuple(values[name] for name in _COLUMNS)


def _format_page(broadcast: Row) -> str:
    parts = [_format_head(broadcast), _format_recipients(broadcast)]
    if broadcast["waits"]:
        rows = [
            (row["deliveries"], explain_wait(row["cause"]), format_time(row["due_at"])) for row in broadcast["waits"]
        ]
        parts.append(format_table(("waiting", "for", "first due"), rows))
    if broadcast["failures"]:
        rows = [(row["deliveries"], str(row["code"] or "-"), row["reason"]) for row in broadcast["failures"]]
        parts.append(format_table(("failed", "code", "Grund"), rows))
    return "\n\n".join(parts)


def _format_head(broadcast: Row) -> str:
    opens, spacing, scheduled = broadcast["opens"], broadcast["spacing_seconds"], broadcast["standing"] == SCHEDULED
    return format_pairs(
        ("broadcast", broadcast["broadcast"]),
        ("notice", "{notice} revision {revision}".format_map(broadcast)),
        ("headline", broadcast["headline"] or "-"),
        ("topic", "{topic}, lane {lane}, template {template}".format_map(broadcast)),
        ("state", "{standing}: {reason}".format_map(broadcast) if broadcast["reason"] else broadcast["standing"]),
        ("begins" if scheduled else "published", format_time(broadcast["published_at"])),
        ("expires", format_time(broadcast["expires_at"])),
        ("finished", format_time(broadcast["finished_at"])),
        ("hours", "{opens:%H:%M} to {closes:%H:%M} {zone}".format_map(broadcast) if opens else "any"),
        ("spread", f"{spacing:g} s between two" if spacing else "none"),
    )


def _format_recipients(broadcast: Row) -> str:
    counts = broadcast["counts"]
    steps = ", ".join(f"{count} {state}" for state, count in broadcast["steps"].items() if count)
    remark = "" if counts["complete"] else "so far: not everybody has been read"
    if broadcast["standing"] == SCHEDULED:
        remark = "so far: everybody is read when it begins"
    if broadcast["standing"] == EXPANDED:
        remark = "so far: everybody has been read, and waits at the broker"
    rows = [("audience", counts["audience"], remark)]
    rows += [(name, counts[name], f"= {steps}" if name == "accepted" and steps else "") for name in _COUNTS]
    rows.append(("unaccounted", counts["unaccounted"], "report this: it must be 0" if counts["unaccounted"] else ""))
    return format_table(("recipients", "number", ""), rows)
