"""Actions of `kreisfunk feeds list` and `feeds drafts`: what is in the folder. Only publishing needs the broker."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer
from msgspec import Raw

from cli.broker import explain_broker_error
from cli.feeds.setup import open_folder, open_parts, open_rules, open_settings
from cli.options import ANSWER_TIMEOUT_SECONDS
from cli.output import Exit, fail, format_table, note, print_result, say
from services.feeds.configuration import FeedOrigin, FeedsFile
from services.feeds.folder import StateDamaged, StateFolder, list_files
from shared.contracts.envelope import read_envelope
from shared.contracts.events import Problem
from shared.notices.rules import validate_event
from shared.outcome import DependencyUnavailable
from shared.runtime.clock import system_clock

if TYPE_CHECKING:
    from services.feeds.wiring import FeedComponents

DRAFT_ORIGIN = "drafts"
_COLUMNS = ("name", "kind", "topic", "mode", "every", "failures", "known", "unpublished", "unanswered", "refused")


def show_overview(file: Path | None, folder: Path | None, *, as_json: bool) -> None:
    """Print all origins and what needs an operator; end the command with status 2 if a file cannot be read."""
    rules, _ = open_rules(file)
    kept = open_folder(folder)
    try:
        origins = list(_describe_origins(rules, kept))
    except StateDamaged as error:
        fail(str(error), status=Exit.USAGE)
    waits = {name: [path.stem for path in list_files(kept.path / name)] for name in ("drafts", "refused")}
    rows = [[origin[name] or "by rule" if name == "topic" else origin[name] for name in _COLUMNS] for origin in origins]
    numbers = " and ".join(f"{len(names)} {name}" for name, names in waits.items())
    text = f"{format_table(_COLUMNS, rows)}\n{numbers}: see `kreisfunk feeds drafts list`"
    print_result({"origins": origins, **waits}, text, json=as_json)


def _describe_origins(file: FeedsFile, folder: StateFolder) -> Iterator[dict[str, Any]]:
    """Yield each origin: `unpublished` events have to reach the broker, `unanswered` ones wait for Kreisfunk.

    `failures` are the polls that failed since the last that did not. Raises StateDamaged.
    """
    unanswered = [sent.origin for sent in folder.list_unanswered()]
    refused = [refused.origin for refused in folder.list_refused().values()]
    for origin in file.origins:
        memory, is_feed = folder.read_state(origin.name), isinstance(origin, FeedOrigin)
        yield {
            "name": origin.name,
            "kind": "feed" if is_feed else "alerts",
            "where": origin.url or ("" if isinstance(origin, FeedOrigin) else origin.files or ""),
            "topic": origin.topic,
            "mode": origin.mode,
            "every": origin.every,
            "failures": memory.failures,
            "known": len(memory.entries) if is_feed else len(memory.alerts),
            "unpublished": len(memory.pending),
            "unanswered": unanswered.count(origin.name),
            "refused": refused.count(origin.name),
        }


def show_drafts(folder: Path | None, *, as_json: bool) -> None:
    """List drafts and refused events, oldest first."""
    place = open_folder(folder)
    drafts = {path.stem: msgspec.json.decode(path.read_bytes()) for path in list_files(place.drafts)}
    refusals = place.list_refused()
    rows = [(name, "draft", _extract_headline(event), "") for name, event in drafts.items()]
    rows += [
        (name, "refused", _extract_headline(msgspec.json.decode(refused.event)), "; ".join(_format(refused.problems)))
        for name, refused in refusals.items()
    ]
    text = format_table(("name", "kind", "headline", "reasons"), rows) if rows else "nothing waits"
    print_result({"drafts": drafts, "refused": refusals}, text, json=as_json)


def show_draft(name: str, folder: Path | None) -> None:
    """Print a draft; end the command with status 3 if there is none of this name."""
    say(msgspec.json.format(_load_event(open_folder(folder), name), indent=2).decode())


def publish_draft(name: str, file: Path | None, folder: Path | None, stack: Path | None, *, as_json: bool) -> None:
    """Publish a draft, print the result, and end the command with its status."""
    from shared.runtime.logs import configure_logs

    parts = open_parts(open_settings(stack, file, folder))
    configure_logs(service="feeds", level="error")
    event = msgspec.json.encode({**msgspec.json.decode(_load_event(parts.folder, name)), "source": parts.file.source})
    problems = validate_event(event, parts.county.find_system(parts.file.system), parts.county, system_clock())
    if problems:
        _reject(name, problems, as_json=as_json)
    try:
        asyncio.run(_publish(parts, name, event))
    except DependencyUnavailable as error:
        fail(str(error), f"{explain_broker_error(error)} It is kept.", Exit.UNAVAILABLE)
    answered = _wait_for_answer(parts, read_envelope(event).id)
    refused = parts.folder.list_refused().get(name)
    if refused is not None:
        _reject(name, refused.problems, as_json=as_json)
    _report(name, answered=answered, as_json=as_json)


def _report(name: str, *, answered: bool, as_json: bool) -> None:
    result = "accepted" if answered else "published"
    print_result({"result": result, "draft": name}, f"{result}: {name}", json=as_json)
    if not answered:
        note("Nobody answered yet: `kreisfunk feeds list` says whether somebody did.")
        raise typer.Exit(Exit.NO_ANSWER)


async def _publish(parts: "FeedComponents", name: str, event: bytes) -> None:
    """Publish the event, then remove the draft once the broker has stored it."""
    parts.folder.save_sent(DRAFT_ORIGIN, event)
    envelope = read_envelope(event)
    async with parts.open_publisher() as publisher:
        await publisher.publish(event, envelope)
    parts.folder.remove(name)


def _wait_for_answer(parts: "FeedComponents", event_id: str) -> bool:
    """Return whether the published event was answered; say so if answers cannot be read."""
    try:
        asyncio.run(parts.answers.wait_for_event(event_id, ANSWER_TIMEOUT_SECONDS))
    except DependencyUnavailable as error:
        note(f"It is published, but answers cannot be read: {error}")
    return not parts.folder.is_unanswered(event_id)


def _reject(name: str, problems: tuple[Problem, ...], *, as_json: bool) -> None:
    text = "\n  ".join((f"rejected: {name}", *_format(problems)))
    print_result({"result": "rejected", "draft": name, "problems": problems}, text, json=as_json)
    raise typer.Exit(Exit.REJECTED)


def drop_draft(name: str, folder: Path | None) -> None:
    """Remove a draft; end the command with status 3 if there is none of this name."""
    place = open_folder(folder)
    _load_event(place, name)
    place.drop(name)
    say(f"dropped {name}")


def _load_event(folder: StateFolder, name: str) -> Raw:
    event = folder.find_event(name)
    if event is None:
        fail(f"There is no draft {name}.", "`kreisfunk feeds drafts list` shows which there are.", Exit.REJECTED)
    return event


def _extract_headline(event: dict[str, object]) -> str:
    data = event.get("data")
    return str(data.get("headline", "(withdrawal)")) if isinstance(data, dict) else ""


def _format(problems: tuple[Problem, ...]) -> list[str]:
    return [f"{problem.field}: {problem.problem}" for problem in problems]
