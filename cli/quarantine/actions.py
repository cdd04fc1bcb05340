"""Actions of `kreisfunk quarantine`."""

import sys
from pathlib import Path

import msgspec
import typer

from cli.operate.tables import format_table, format_time
from cli.output import EXIT_REJECTED, EXIT_USAGE, console, escape, fail, say
from cli.quarantine.items import QuarantineItem
from cli.quarantine.replay import ReplayResult
from cli.quarantine.session import ALL, QuarantineSession, run_session

SHORT_ID_LENGTH = 8


def list_items(limit: int, stack: Path | None, *, as_json: bool) -> None:
    """Print the quarantined items, oldest first."""

    async def look(desk: QuarantineSession) -> tuple[list[dict[str, object]], int]:
        total = await desk.queues.count()
        return [_describe_item(item) async for item in desk.list_items(limit)], total

    items, total = run_session(stack, look)
    listing = {"total": total, "items": items}
    say(msgspec.json.encode(listing).decode() if as_json else _format_list(items, total))


def show_item(which: str, stack: Path | None, *, raw: bool) -> None:
    """Print one item, decrypted."""

    async def open_one(desk: QuarantineSession) -> tuple[dict[str, object], bytes]:
        item = await desk.find(which)
        return _describe_item(item), item.decrypt(desk.settings.ring)

    described, plain = run_session(stack, open_one)
    if raw:
        _write_raw(plain)
        return
    console.print("This may name people: do not copy it anywhere.", style="yellow", markup=False)
    for name, value in described.items():
        say(f"{name}: {escape(str(value), line=True)}")
    say(f"\n{_format_plain(plain)}")


def replay_items(which: str | None, stack: Path | None, *, everything: bool, as_json: bool) -> None:
    """Replay items and print each result; exit with status 3 if something still cannot be parsed."""
    selection = _parse_selection(which, everything=everything)

    async def run(desk: QuarantineSession) -> list[tuple[str, ReplayResult]]:
        return [outcome async for outcome in desk.replay(selection)]

    outcomes = run_session(stack, run)
    results = [{"id": name, "done": it.complete, **msgspec.to_builtins(it)} for name, it in outcomes]
    told = "\n".join(_format_result(*outcome) for outcome in outcomes) or "nothing is there"
    say(msgspec.json.encode({"replayed": results}).decode() if as_json else told)
    if not all(outcome.complete for _, outcome in outcomes):
        raise typer.Exit(EXIT_REJECTED)


def drop_items(which: str | None, stack: Path | None, *, everything: bool, yes: bool, as_json: bool) -> None:
    """Delete items, after confirmation, and print their number."""
    selection = _parse_selection(which, everything=everything)
    _confirm(selection, yes=yes)

    async def run(desk: QuarantineSession) -> int:
        return await desk.drop(selection)

    dropped = run_session(stack, run)
    say(msgspec.json.encode({"dropped": dropped}).decode() if as_json else f"dropped: {dropped}")


def _parse_selection(which: str | None, *, everything: bool) -> str:
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


def _describe_item(item: QuarantineItem) -> dict[str, object]:
    return {
        "id": item.queued.message_id,
        "kind": item.kind,
        "since": item.since,
        "size": item.size,
        "reason": item.reason,
    }


def _format_list(items: list[dict[str, object]], total: int) -> str:
    if not items:
        return "nothing is in quarantine"
    lines = [
        (str(it["id"])[:SHORT_ID_LENGTH], it["kind"], format_time(it["since"]), it["size"], it["reason"])  # type: ignore[arg-type]
        for it in items
    ]
    shown = format_table(("id", "kind", "since", "bytes", "reason"), lines)
    return shown if total <= len(items) else f"{shown}\n{total - len(items)} more: --limit {total}"


def _format_result(name: str, outcome: ReplayResult) -> str:
    if outcome.sent_back:
        return f"{name[:SHORT_ID_LENGTH]}: sent back to where notices are read"
    parts = [f"{outcome.published} published", f"{outcome.ignored} not for us"]
    if outcome.too_old:
        parts.append(f"{outcome.too_old} too old to be sent on")
    if outcome.problems:
        parts.append(f"still not understood: {'; '.join(outcome.problems)}")
    return f"{name[:SHORT_ID_LENGTH]}: {', '.join(parts)}{'' if outcome.complete else '; stays in quarantine'}"


def _write_raw(plain: bytes) -> None:
    if sys.stdout.isatty():
        fail("It may hold what a terminal obeys.", "Send the output into a file or another program.", EXIT_USAGE)
    typer.echo(plain, nl=False)


def _format_plain(plain: bytes) -> str:
    try:
        return msgspec.json.format(plain, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return plain.decode(errors="backslashreplace")
