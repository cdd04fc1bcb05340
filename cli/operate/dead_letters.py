"""`kreisfunk dead-letters`: encrypted messages of citizens that could not be handled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import typer

from cli.operate.session import list_rows, refuse, run_on_ledger
from cli.options import All, DatabaseStack, Json, ListLimit, WhichOrAll, Yes, require_selection
from cli.output import confirm, format_list, format_time, print_result

DEFAULT_LIMIT = 100
SHORT_ID_LENGTH = 8
_LIST = """
select id, reason, failed_at, replay_at, count(*) over () as total from subscriptions.dead_letter
order by failed_at limit $1
"""
_FIND = "select id from subscriptions.dead_letter where starts_with(id::text, $1) limit 2"

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_letters(limit: ListLimit = DEFAULT_LIMIT, json: Json = False, stack: DatabaseStack = None) -> None:
    """List dead letters: since when, and why they could not be handled.

    Exit status: 0, 2 wrong command line, 4 database unavailable or role refused.
    """
    letters, total = list_rows(stack, _LIST, limit)
    head = ("id", "since", "reason", "state")
    told = format_list(head, list(map(_format_line, letters)), empty="no dead letters", total=total)
    print_result({"total": total, "letters": letters}, told, json=json)


@app.command()
def replay(which: WhichOrAll = None, everything: All = False, json: Json = False, stack: DatabaseStack = None) -> None:
    """Request that it be handled again, within seconds; if it fails again, it stays with its new reason.

    Exit status: 0 requested, 2 wrong command line, 3 not found, 4 database unavailable or role refused.
    """
    _call_function("replay", which, everything=everything, json=json, stack=stack)


@app.command()
def drop(
    which: WhichOrAll = None,
    everything: All = False,
    yes: Yes = False,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Delete it for good.

    Exit status: 0 deleted, 2 wrong command line or not confirmed, 3 not found, 4 database unavailable or role refused.
    """
    confirm("Delete it for good?", yes=yes, otherwise="Nothing was dropped.")
    _call_function("drop", which, everything=everything, json=json, stack=stack)


def _call_function(verb: str, which: str | None, *, everything: bool, json: bool, stack: Path | None) -> None:
    require_selection("dead-letters", which, everything=everything)

    async def act(ledger: asyncpg.Connection) -> int | None:
        found = await ledger.fetch(_FIND, which) if which is not None else [{"id": None}]
        if len(found) != 1:
            return None
        count: int = await ledger.fetchval(f"select subscriptions.{verb}_dead_letters($1)", found[0]["id"])
        return count

    count = run_on_ledger(stack, act)
    if count is None:
        refuse(f"Nothing, or more than one, has an id that begins with {which!r}.", "Nothing was changed.")
    print_result({"result": verb, "letters": count}, f"{verb}: {count}", json=json)


def _format_line(row: Mapping[str, Any]) -> tuple[object, ...]:
    state = "is being handled again" if row["replay_at"] else "waits"
    return str(row["id"])[:SHORT_ID_LENGTH], format_time(row["failed_at"]), row["reason"], state
