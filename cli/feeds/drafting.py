"""What the commands on drafts do."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer
from msgspec import Raw

from cli.broker import away_advice
from cli.doors.door import Refused as DoorRefused
from cli.feeds.folder import Folder, files_in
from cli.feeds.opening import open_folder, open_parts, open_settings
from cli.operate.tables import table
from cli.options import ANSWER_SECONDS
from cli.output import EXIT_AWAY, EXIT_REJECTED, EXIT_UNANSWERED, console, fail, say
from shared.contracts.envelope import read_envelope
from shared.contracts.events import Problem
from shared.municipal.checking import check
from shared.outcome import DependencyAway
from shared.runtime.clock import system_clock

if TYPE_CHECKING:
    from cli.feeds.wiring import Parts

ORIGIN = "drafts"


def show_drafts(folder: Path | None, *, as_json: bool) -> None:
    """List drafts and what was refused, the oldest first."""
    place = open_folder(folder)
    drafts = {path.stem: msgspec.json.decode(path.read_bytes()) for path in files_in(place.drafts)}
    refusals = place.refusals()
    if as_json:
        say(msgspec.json.encode({"drafts": drafts, "refused": refusals}).decode())
        return
    rows = [(name, "draft", _headline(event), "") for name, event in drafts.items()]
    rows += [
        (name, "refused", _headline(msgspec.json.decode(refused.event)), _reasons(refused.problems))
        for name, refused in refusals.items()
    ]
    say(table(("name", "kind", "headline", "reasons"), rows) if rows else "nothing waits")


def show_draft(name: str, folder: Path | None) -> None:
    """Print the event. Ends the command with status 3 if there is none."""
    say(msgspec.json.format(_event(open_folder(folder), name), indent=2).decode())


def publish_draft(name: str, file: Path | None, folder: Path | None, stack: Path | None, *, as_json: bool) -> None:
    """Say what became of it, and end the command with its status."""
    from shared.runtime.logs import configure_logs

    parts = open_parts(open_settings(stack, file, folder))
    configure_logs(service="feeds", level="error")
    event = msgspec.json.encode({**msgspec.json.decode(_event(parts.folder, name)), "source": parts.file.source})
    problems = check(event, parts.county.system(parts.file.system), parts.county, system_clock())
    if problems:
        _reject(name, problems, as_json=as_json)
    try:
        answered = asyncio.run(_publish(parts, name, event))
    except DependencyAway as error:
        fail(str(error), f"{away_advice(error)} It is kept.", EXIT_AWAY)
    except DoorRefused as error:
        _reject(name, error.problems, as_json=as_json)
    refused = parts.folder.refusals().get(name)
    if refused is not None:
        _reject(name, refused.problems, as_json=as_json)
    _report(name, answered=answered, as_json=as_json)


def _report(name: str, *, answered: bool, as_json: bool) -> None:
    result = "accepted" if answered else "published"
    say(msgspec.json.encode({"result": result, "draft": name}).decode() if as_json else f"{result}: {name}")
    if not answered:
        console.print("Nobody answered yet: `kreisfunk feeds list` says whether somebody did.", markup=False)
        raise typer.Exit(EXIT_UNANSWERED)


async def _publish(parts: "Parts", name: str, event: bytes) -> bool:
    """Stored at the broker before the draft goes; whether it was answered."""
    parts.folder.keep_sent(ORIGIN, event)
    envelope = read_envelope(event)
    async with parts.open_door() as door:
        await door.publish(event, envelope)
    parts.folder.drop(name)
    await parts.hearing.hear_until(envelope.id, ANSWER_SECONDS)
    return not parts.folder.is_unanswered(envelope.id)


def _reject(name: str, problems: tuple[Problem, ...], *, as_json: bool) -> None:
    if as_json:
        say(msgspec.json.encode({"result": "rejected", "draft": name, "problems": problems}).decode())
    else:
        say("\n".join((f"rejected: {name}", *(f"  {each.field}: {each.problem}" for each in problems))))
    raise typer.Exit(EXIT_REJECTED)


def drop_draft(name: str, folder: Path | None) -> None:
    """Remove it. Ends the command with status 3 if there is none."""
    place = open_folder(folder)
    _event(place, name)
    place.drop(name)
    say(f"dropped {name}")


def _event(folder: Folder, name: str) -> Raw:
    event = folder.kept(name)
    if event is None:
        fail(f"There is no draft {name}.", "`kreisfunk feeds drafts list` shows which there are.", EXIT_REJECTED)
    return event


def _headline(event: dict[str, object]) -> str:
    data = event.get("data")
    return str(data.get("headline", "(withdrawal)")) if isinstance(data, dict) else ""


def _reasons(problems: tuple[Problem, ...]) -> str:
    return "; ".join(f"{problem.field}: {problem.problem}" for problem in problems)
