"""The commands."""

import sys
from typing import Annotated

import msgspec
import typer

from cli.operate.session import Json, Stack, show
from cli.operate.tables import moment, table
from cli.output import EXIT_REJECTED, EXIT_USAGE, console, escape, fail, say
from cli.quarantine.items import Item
from cli.quarantine.replay import Replayed
from cli.quarantine.session import ALL, Desk, at_the_desk

USUAL_LIMIT = 100
SHORT = 8

quarantine = typer.Typer(
    help="What was not understood and is kept: look at it, send it again, or drop it.", no_args_is_help=True
)

Which = Annotated[str, typer.Argument(help="Its id as `list` shows it; the beginning will do.")]
WhichOrAll = Annotated[str | None, typer.Argument(help="Its id as `list` shows it; the beginning will do.")]
All = Annotated[bool, typer.Option("--all", help="Everything that is there.")]


@quarantine.command("list")
def list_items(
    limit: Annotated[int, typer.Option(min=1, help="The oldest so many.")] = USUAL_LIMIT,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """List what is there: since when, how large, and what was not understood. Needs no key.

    Exit status: 0, 2 wrong command line, 4 broker away or login refused.
    """

    async def look(desk: Desk) -> tuple[list[dict[str, object]], int]:
        total = await desk.queues.count()
        return [_described(item) async for item in desk.items(limit)], total

    items, total = at_the_desk(stack, look)
    show({"total": total, "items": items}, _listing(items, total), json=json)


@quarantine.command("show")
def show_item(
    which: Which,
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they came, and nothing else.")] = False,
    stack: Stack = None,
) -> None:
    """Open one and print what is in it: it may name people, so mind where it goes. Needs the sealing keys.

    Exit status: 0, 2 wrong command line, 3 not there or not to be opened, 4 broker away or login refused.
    """

    async def open_one(desk: Desk) -> tuple[dict[str, object], bytes]:
        item = await desk.find(which)
        return _described(item), item.open(desk.settings.ring)

    described, plain = at_the_desk(stack, open_one)
    if raw:
        _write_raw(plain)
        return
    console.print("This may name people: do not copy it anywhere.", style="yellow", markup=False)
    for name, value in described.items():
        say(f"{name}: {escape(str(value), line=True)}")
    say(f"\n{_readable(plain)}")


@quarantine.command()
def replay(which: WhichOrAll = None, everything: All = False, json: Json = False, stack: Stack = None) -> None:
    """Send it through today's understanding; what is understood as a whole leaves the quarantine.

    May be ended at any time and repeated: nothing is lost, and what was handled before is recognised. Messages older
    than eight days are not sent on. Needs the sealing keys and the index key.

    Exit status: 0 all done, 2 wrong command line, 3 something is still not understood, 4 broker away or login refused.
    """
    selection = _selection(which, everything=everything)

    async def run(desk: Desk) -> list[tuple[str, Replayed]]:
        return [outcome async for outcome in desk.replay(selection)]

    outcomes = at_the_desk(stack, run)
    results = [{"id": name, "done": it.complete, **msgspec.to_builtins(it)} for name, it in outcomes]
    show({"replayed": results}, "\n".join(_told(*outcome) for outcome in outcomes) or "nothing is there", json=json)
    if not all(outcome.complete for _, outcome in outcomes):
        raise typer.Exit(EXIT_REJECTED)


@quarantine.command()
def drop(
    which: WhichOrAll = None,
    everything: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Delete it for good.

    Exit status: 0, 2 wrong command line or not confirmed, 3 not there, 4 broker away or login refused.
    """
    selection = _selection(which, everything=everything)
    _confirm(selection, yes=yes)

    async def run(desk: Desk) -> int:
        return await desk.drop(selection)

    dropped = at_the_desk(stack, run)
    show({"dropped": dropped}, f"dropped: {dropped}", json=json)


def _selection(which: str | None, *, everything: bool) -> str:
    if (which is None) != everything:
        fail("Say which one, or --all.", "`kreisfunk quarantine list` shows what is there.", EXIT_USAGE)
    return which if which is not None else ALL


def _confirm(selection: str, *, yes: bool) -> None:
    if yes:
        return
    if not console.is_terminal:
        fail("Nothing was dropped.", "Say --yes if that is what you want.", EXIT_USAGE)
    what = "everything in quarantine" if selection == ALL else selection
    typer.confirm(f"Delete {what} for good?", abort=True, err=True)


def _described(item: Item) -> dict[str, object]:
    return {
        "id": item.kept.message_id,
        "kind": item.kind,
        "since": item.since,
        "size": item.size,
        "reason": item.reason,
    }


def _listing(items: list[dict[str, object]], total: int) -> str:
    if not items:
        return "nothing is in quarantine"
    lines = [
        (str(it["id"])[:SHORT], it["kind"], moment(it["since"]), it["size"], it["reason"])  # type: ignore[arg-type]
        for it in items
    ]
    shown = table(("id", "kind", "since", "bytes", "reason"), lines)
    return shown if total <= len(items) else f"{shown}\n{total - len(items)} more: --limit {total}"


def _told(name: str, outcome: Replayed) -> str:
    if outcome.sent_back:
        return f"{name[:SHORT]}: sent back to where notices are read"
    parts = [f"{outcome.published} published", f"{outcome.ignored} not for us"]
    if outcome.too_old:
        parts.append(f"{outcome.too_old} too old to be sent on")
    if outcome.problems:
        parts.append(f"still not understood: {'; '.join(outcome.problems)}")
    return f"{name[:SHORT]}: {', '.join(parts)}{'' if outcome.complete else '; stays in quarantine'}"


def _write_raw(plain: bytes) -> None:
    if sys.stdout.isatty():
        fail("It may hold what a terminal obeys.", "Send the output into a file or another program.", EXIT_USAGE)
    typer.echo(plain, nl=False)


def _readable(plain: bytes) -> str:
    try:
        return msgspec.json.format(plain, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return plain.decode(errors="backslashreplace")
