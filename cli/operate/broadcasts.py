"""`kreisfunk broadcasts`: list, pause, resume, cancel and resend broadcasts."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import asyncpg
import typer

from cli.operate import ledger
from cli.operate.broadcast_text import format_overview, format_page
from cli.operate.planned import fetch_planned, fetch_planned_one
from cli.operate.session import Reason, Stack, Yes, print_result, refuse, run_on_ledger, warn_of_duplicates
from cli.options import Json
from cli.output import EXIT_USAGE, fail

Broadcast = Annotated[UUID, typer.Argument(help="Id of the broadcast, as `publish` and `broadcasts list` show it.")]
REFUSALS: Mapping[str, str] = {
    "missing": "There is no such broadcast in the ledger. What is still to begin is ended by `kreisfunk withdraw`.",
    "cancelled": "The broadcast was cancelled.",
    "finished": "The broadcast has finished.",
    "expired": "The broadcast has expired: nobody may get it any more.",
    "running": "The broadcast is not paused.",
    "held": "The broadcast is not paused; its template is paused: see `kreisfunk templates list`.",
}
UNFINISHED = ("running", "held", "paused")

app = typer.Typer(help="What is being sent, to how many; pause, resume, cancel, send again.", no_args_is_help=True)


@app.command("list")
def list_broadcasts(
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=1000, help="How many, newest first.")] = 20,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """List broadcasts, newest first: those that have not begun, then those in the ledger.

    Exit status: 0, 2 wrong command line, 4 database unavailable or role refused.
    """
    found = run_on_ledger(stack, lambda connection: _fetch_latest(connection, number))
    print_result({"broadcasts": [asdict(one) for one in found]}, format_overview(found), json=json)


@app.command("show")
def show_broadcast(broadcast: Broadcast, json: Json = False, stack: Stack = None) -> None:
    """Show the state of all recipients of a broadcast, with the reasons for waiting and failing.

    Exit status: 0, 2 wrong command line, 3 no such broadcast, 4 database unavailable or role refused.
    """
    found = run_on_ledger(stack, lambda connection: _fetch_one(connection, broadcast))
    if found is None:
        refuse("There is no such broadcast.")
    print_result(asdict(found), format_page(found), json=json)


@app.command()
def pause(broadcast: Broadcast, reason: Reason, json: Json = False, stack: Stack = None) -> None:
    """Pause a broadcast until somebody resumes it; messages that were sent stay sent.

    Exit status: 0 paused, 2 wrong command line, 3 ended or no such broadcast, 4 database unavailable or role refused.
    """
    statement = "select dispatcher.pause_broadcast($1, $2)"
    before = run_on_ledger(stack, lambda connection: connection.fetchval(statement, broadcast, reason))
    _report_change("paused", broadcast, before, UNFINISHED, json=json)


@app.command()
def resume(broadcast: Broadcast, json: Json = False, stack: Stack = None) -> None:
    """Resume a paused broadcast.

    Exit status: 0 resumed, 2 wrong command line, 3 not paused, 4 database unavailable or role refused.
    """
    statement = "select dispatcher.resume_broadcast($1)"
    before = run_on_ledger(stack, lambda connection: connection.fetchval(statement, broadcast))
    _report_change("resumed", broadcast, before, ("paused",), json=json)


@app.command()
def cancel(broadcast: Broadcast, reason: Reason, json: Json = False, stack: Stack = None) -> None:
    """Cancel the rest of a broadcast for good. To end all broadcasts of a notice, use `kreisfunk withdraw`.

    Exit status: 0 cancelled, 2 wrong command line, 3 ended or no such broadcast,
    4 database unavailable or role refused.
    """
    statement = "select dispatcher.cancel_broadcast($1, $2)"
    before = run_on_ledger(stack, lambda connection: connection.fetchval(statement, broadcast, reason))
    _report_change("cancelled", broadcast, before, UNFINISHED, json=json)


@app.command()
def resend(
    broadcast: Broadcast,
    missing: Annotated[bool, typer.Option("--missing", help="To those for whom it has failed.")] = False,
    unknown: Annotated[bool, typer.Option("--unknown", help="Also to those of whom nobody knows.")] = False,
    yes: Yes = False,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Send a broadcast again to those who did not get it, unless it has expired or was cancelled.

    Exit status: 0 queued for sending, 1 aborted, 2 wrong command line, 3 ended or no such broadcast, 4 database
    unavailable or role refused.
    """
    if not missing:
        fail("Say to whom: --missing.", status=EXIT_USAGE)
    if unknown:
        warn_of_duplicates("Unknown outcomes", yes=yes)
    statement = "select * from dispatcher.resend_missing($1, $2)"
    row = run_on_ledger(stack, lambda connection: connection.fetchrow(statement, broadcast, unknown))
    before, failed, not_known = row or ("missing", 0, 0)
    if before in ("missing", "cancelled", "expired"):
        refuse(REFUSALS[before])
    result = {"result": "waiting", "broadcast": broadcast, "failed": failed, "unknown": not_known}
    print_result(
        result,
        f"sent again: {failed} failed, {not_known} unknown; see `kreisfunk broadcasts show {broadcast}`",
        json=json,
    )


async def _fetch_latest(connection: asyncpg.Connection, number: int) -> list[ledger.BroadcastView]:
    found = [*await fetch_planned(connection, number), *await ledger.fetch_latest(connection, number)]
    return found[:number]


async def _fetch_one(connection: asyncpg.Connection, broadcast: UUID) -> ledger.BroadcastView | None:
    return await ledger.fetch_one(connection, broadcast) or await fetch_planned_one(connection, broadcast)


def _report_change(result: str, broadcast: UUID, before: str, fitting: tuple[str, ...], *, json: bool) -> None:
    if before not in fitting:
        refuse(REFUSALS[before])
    print_result(
        {"result": result, "broadcast": broadcast, "before": before}, f"{result}: broadcast {broadcast}", json=json
    )
