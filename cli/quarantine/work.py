"""What the commands do."""

import sys
from pathlib import Path

import msgspec
import typer

from cli.operate.tables import moment, table
from cli.output import EXIT_REJECTED, EXIT_USAGE, console, escape, fail, say
from cli.quarantine.items import Item
from cli.quarantine.replay import Replayed
from cli.quarantine.session import ALL, Desk, at_the_desk

SHORT = 8


def list_items(limit: int, stack: Path | None, *, as_json: bool) -> None:
    """Print what is there, the oldest first."""

    async def look(desk: Desk) -> tuple[list[dict[str, object]], int]:
        total = await desk.queues.count()
        return [_described(item) async for item in desk.items(limit)], total

    items, total = at_the_desk(stack, look)
    listing = {"total": total, "items": items}
    say(msgspec.json.encode(listing).decode() if as_json else _listing(items, total))


def show_item(which: str, stack: Path | None, *, raw: bool) -> None:
    """Print what is in one."""

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


def replay_items(which: str | None, stack: Path | None, *, everything: bool, as_json: bool) -> None:
    """Say what became of each; status 3 if something is still not understood."""
    selection = _selection(which, everything=everything)

    async def run(desk: Desk) -> list[tuple[str, Replayed]]:
        return [outcome async for outcome in desk.replay(selection)]

    outcomes = at_the_desk(stack, run)
    results = [{"id": name, "done": it.complete, **msgspec.to_builtins(it)} for name, it in outcomes]
    told = "\n".join(_told(*outcome) for outcome in outcomes) or "nothing is there"
    say(msgspec.json.encode({"replayed": results}).decode() if as_json else told)
    if not all(outcome.complete for _, outcome in outcomes):
        raise typer.Exit(EXIT_REJECTED)


def drop_items(which: str | None, stack: Path | None, *, everything: bool, yes: bool, as_json: bool) -> None:
    """Say how many were deleted."""
    selection = _selection(which, everything=everything)
    _confirm(selection, yes=yes)

    async def run(desk: Desk) -> int:
        return await desk.drop(selection)

    dropped = at_the_desk(stack, run)
    say(msgspec.json.encode({"dropped": dropped}).decode() if as_json else f"dropped: {dropped}")


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
