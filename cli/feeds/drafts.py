"""`kreisfunk feeds drafts`: drafts and refused events, which are files. Only publishing needs the notices API."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, NoReturn

import msgspec
import typer
from msgspec import Raw

from cli.feeds.setup import FeedsFolder, FeedsRules, open_folder, open_parts
from cli.options import ANSWER_TIMEOUT_SECONDS, Json, NoticesApiStack
from cli.output import Exit, fail, format_list, format_problems, note, print_result, say
from services.feeds.folder import StateFolder, list_files
from services.feeds.wiring import FeedComponents
from shared.contracts.envelope import read_envelope
from shared.contracts.events import Problem
from shared.notices.rules import validate_event
from shared.runtime.clock import system_clock
from shared.runtime.notices_api import NoticesApiUnavailable

DRAFT_ORIGIN = "drafts"
Event = dict[str, object]
Draft = Annotated[str, typer.Argument(metavar="NAME", help="Name from `list`.")]

app = typer.Typer(
    help="Drafts and refused events: list, show, publish as the system of the feeds, or drop.", no_args_is_help=True
)


@app.command("list")
def list_drafts(folder: FeedsFolder = None, json: Json = False) -> None:
    """List drafts, and refused events with the reasons, oldest first."""
    state_folder = open_folder(folder)
    drafts = {path.stem: _decode_event(state_folder.find_event(path.stem)) for path in list_files(state_folder.drafts)}
    refusals = state_folder.list_refused()
    rows = [(name, "draft", *_describe(event)) for name, event in drafts.items()]
    for name in (path.stem for path in list_files(state_folder.refused)):
        refused = refusals.get(name)
        headline, damage = _describe(_decode_event(refused.event if refused else None))
        rows.append((name, "refused", headline, "; ".join(format_problems(refused.problems)) if refused else damage))
    text = format_list(("name", "kind", "headline", "reasons"), rows, empty="nothing waits")
    print_result({"drafts": drafts, "refused": refusals}, text, json=json)


@app.command()
def show(name: Draft, folder: FeedsFolder = None) -> None:
    """Print the event in the form that `kreisfunk publish` reads. Exit status: 0, 3 no draft of this name."""
    say(msgspec.json.format(msgspec.json.encode(_load_event(open_folder(folder), name)), indent=2).decode())


@app.command()
def publish(
    name: Draft,
    file: FeedsRules = None,
    folder: FeedsFolder = None,
    json: Json = False,
    stack: NoticesApiStack = None,
) -> None:
    """Publish it as the system of the feeds, and remove it. As another system: `show NAME | kreisfunk publish -`.

    Exit status: 0 accepted, 2 wrong command line or configuration, 3 no draft of this name, or rejected (it stays),
    4 Kreisfunk unavailable or token refused, 5 no answer yet.
    """
    parts = open_parts(stack, file, folder)
    event = msgspec.json.encode({**_load_event(parts.folder, name), "source": parts.file.source})
    problems = validate_event(event, parts.county.find_system(parts.file.system), parts.county, system_clock())
    if problems:
        _reject(name, problems, json=json)
    try:
        answered = asyncio.run(_publish(parts, name, event))
    except NoticesApiUnavailable as error:
        fail(f"Not published: {error}.", "It is kept.", Exit.UNAVAILABLE)
    if answered and (refused := parts.folder.list_refused().get(name)):
        _reject(name, refused.problems, json=json)
    result = "accepted" if answered else "published"
    print_result({"result": result, "draft": name}, f"{result}: {name}", json=json)
    if not answered:
        note("No answer yet: `kreisfunk feeds list` shows whether it has come.")
        raise typer.Exit(Exit.NO_ANSWER)


async def _publish(parts: FeedComponents, name: str, event: bytes) -> bool:
    """Publish the event, then remove the draft; return whether it is answered. Raises NoticesApiUnavailable.

    Its answer, which the service may record first, removes a refused event, or replaces it.
    """
    envelope = read_envelope(event)
    parts.folder.save_sent(DRAFT_ORIGIN, event)
    async with parts.open_publisher() as publisher:
        problems = await publisher.publish(event)
        if problems:
            publisher.record_rejection(envelope, problems)
            return True
        parts.folder.remove_draft(name)
        try:
            await publisher.wait_for_answers(ANSWER_TIMEOUT_SECONDS, envelope)
        except NoticesApiUnavailable as error:
            note(f"It is published, but its answer cannot be read: {error}.")
    return not parts.folder.is_unanswered(envelope.id)


def _reject(name: str, problems: Sequence[Problem], *, json: bool) -> None:
    text = "\n  ".join((f"rejected: {name}", *format_problems(problems)))
    print_result({"result": "rejected", "draft": name, "problems": problems}, text, json=json)
    raise typer.Exit(Exit.REJECTED)


@app.command()
def drop(name: Draft, folder: FeedsFolder = None) -> None:
    """Remove it without publishing it. Exit status: 0, 3 no draft of this name."""
    state_folder = open_folder(folder)
    if not state_folder.has_event(name):
        _fail_for_name(name)
    state_folder.drop(name)
    say(f"dropped {name}")


def _load_event(folder: StateFolder, name: str) -> Event:
    """Return the draft or the refused event; ends the command if there is none, or its file is damaged."""
    if not folder.has_event(name):
        _fail_for_name(name)
    event = _decode_event(folder.find_event(name))
    if event is None:
        fail(f"{name} is damaged.", "Correct its file, or drop it.", Exit.REJECTED)
    return event


def _fail_for_name(name: str) -> NoReturn:
    fail(f"There is no draft {name}.", "`kreisfunk feeds drafts list` shows them.", Exit.REJECTED)


def _decode_event(event: Raw | None) -> Event | None:
    """Return the content of a file; None if it is damaged, for example by an editor."""
    try:
        return msgspec.json.decode(event or b"", type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _describe(event: Event | None) -> tuple[str, str]:
    """Return headline and damage."""
    data = event.get("data") if event else None
    headline = str(data.get("headline", "(withdrawal)")) if isinstance(data, dict) else ""
    return headline, "" if event else "the file is damaged: correct or drop it"
