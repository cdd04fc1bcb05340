"""`kreisfunk quarantine`: messages that could not be parsed, to be inspected, replayed or dropped."""

from typing import Annotated

import msgspec
import typer

from cli.options import All, BrokerStack, Json, ListLimit, WhichOrAll, Yes, require_selection
from cli.output import Exit, confirm, escape, format_list, format_time, note, print_result, say
from cli.quarantine.session import QuarantineItem, QuarantineSession, ReplayResult, run_session

DEFAULT_LIMIT = 100
SHORT_ID_LENGTH = 8

quarantine = typer.Typer(no_args_is_help=True)

Which = Annotated[str, typer.Argument(help="Its id from `list`; a unique prefix suffices.")]


@quarantine.command("list")
def list_kept(limit: ListLimit = DEFAULT_LIMIT, json: Json = False, stack: BrokerStack = None) -> None:
    """List the items in quarantine with system, time, size and problem. Needs no key.

    Exit status: 0, 2 wrong command line, 4 broker unavailable or login refused.
    """

    async def read(session: QuarantineSession) -> tuple[list[QuarantineItem], int]:
        total = await session.queues.count()
        return [item async for item in session.list_items(limit)], total

    items, total = run_session(stack, read)
    listing = {"total": total, "items": [item.description for item in items]}
    head = ("id", "kind", "system", "since", "bytes", "reason")
    text = format_list(head, list(map(_format_line, items)), empty="nothing is in quarantine", total=total)
    print_result(listing, text, json=json)


@quarantine.command()
def show(which: Which, stack: BrokerStack = None) -> None:
    """Decrypt one item and print it. It may name people: take care of the output. Needs the encryption keys.

    Exit status: 0, 2 wrong command line, 3 not found or cannot be decrypted, 4 broker unavailable or login refused.
    """
    item, plain = run_session(stack, lambda session: session.find_and_decrypt(which))
    note("This may name people: do not copy it anywhere.", "yellow")
    for name, value in item.description.items():
        say(f"{name}: {escape(str(value), line=True)}")
    say(f"\n{_format_plain(plain)}")


@quarantine.command()
def replay(which: WhichOrAll = None, everything: All = False, json: Json = False, stack: BrokerStack = None) -> None:
    """Parse it again with this version; an item that is parsed completely leaves the quarantine.

    May be interrupted and repeated: nothing is lost, and events handled before are recognised. Messages older than
    eight days are not sent on. Needs the encryption keys and the index key.

    Exit status: 0 all done, 2 wrong command line, 3 something still cannot be parsed,
    4 broker unavailable or login refused.
    """
    require_selection("quarantine", which, everything=everything)
    outcomes = run_session(stack, lambda session: session.replay(which))
    results = [{"id": name, "done": result.complete, **msgspec.to_builtins(result)} for name, result in outcomes]
    text = "\n".join(_format_result(*outcome) for outcome in outcomes) or "nothing is there"
    print_result({"replayed": results}, text, json=json)
    if not all(outcome.complete for _, outcome in outcomes):
        raise typer.Exit(Exit.REJECTED)


@quarantine.command()
def drop(
    which: WhichOrAll = None,
    everything: All = False,
    yes: Yes = False,
    json: Json = False,
    stack: BrokerStack = None,
) -> None:
    """Delete it for good.

    Exit status: 0, 1 aborted, 2 wrong command line, or no terminal and no --yes, 3 not found,
    4 broker unavailable or login refused.
    """
    require_selection("quarantine", which, everything=everything)
    selection = "everything in quarantine" if everything else which
    confirm(f"Delete {selection} for good?", yes=yes, otherwise="Nothing was dropped.")
    dropped = run_session(stack, lambda session: session.drop(which))
    print_result({"dropped": dropped}, f"dropped: {dropped}", json=json)


def _format_line(item: QuarantineItem) -> tuple[object, ...]:
    name = item.queued.message_id[:SHORT_ID_LENGTH]
    return name, item.kind, item.system or "-", format_time(item.since), item.size, item.reason


def _format_result(name: str, outcome: ReplayResult) -> str:
    if outcome.sent_back:
        return f"{name[:SHORT_ID_LENGTH]}: sent back to its queue"
    parts = [f"{outcome.published} published", f"{outcome.ignored} not for us"]
    if outcome.too_old:
        parts.append(f"{outcome.too_old} too old to be sent on")
    if outcome.problems:
        parts.append(f"still not parsed: {'; '.join(outcome.problems)}")
    return f"{name[:SHORT_ID_LENGTH]}: {', '.join(parts)}{'' if outcome.complete else '; stays in quarantine'}"


def _format_plain(plain: bytes) -> str:
    try:
        return msgspec.json.format(plain, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return plain.decode(errors="backslashreplace")
