"""Actions of the commands that poll and publish."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from cli.broker import explain_broker_error
from cli.feeds.results import build_json, format_lines
from cli.feeds.setup import open_parts, open_settings
from cli.output import Exit, fail, note, print_result
from services.feeds.__main__ import run_service
from services.feeds.folder import FolderInUse
from services.feeds.polling import PollResult
from services.feeds.wiring import FeedComponents
from shared.outcome import DependencyUnavailable
from shared.runtime.logs import configure_logs


def poll_once(stack: Path | None, file: Path | None, folder: Path | None, wait: float, *, as_json: bool) -> None:
    """Poll everything once, print the results, and end the command with its status."""
    settings = open_settings(stack, file, folder)
    configure_logs(service="feeds", level="error")
    parts = open_parts(settings)
    try:
        with parts.folder.lock():
            polls = asyncio.run(_poll_all(parts))
            rejected = _read_answers(parts, wait)
    except FolderInUse as error:
        fail(str(error), status=Exit.USAGE)
    except DependencyUnavailable as error:
        advice = f"{explain_broker_error(error)} What was found is kept, and published next time."
        fail(str(error), advice, Exit.UNAVAILABLE)
    _print_polls(polls, rejected or {}, as_json=as_json)
    if rejected or not all(poll.succeeded for poll in polls):
        raise typer.Exit(Exit.FAILED)
    if rejected is None:
        raise typer.Exit(Exit.NO_ANSWER)


def run_feeds(stack: Path | None, file: Path | None, folder: Path | None) -> None:
    """Poll everything until SIGTERM or Ctrl-C."""
    run_service(open_settings(stack, file, folder))


async def _poll_all(parts: FeedComponents) -> list[PollResult]:
    async with parts.open_pollers() as pollers:
        return [await poller.poll() for poller in pollers]


def _read_answers(parts: FeedComponents, wait: float) -> Mapping[str, int] | None:
    """Return the rejected events per origin, or None if the answers cannot be read: all that was found is published."""
    try:
        return asyncio.run(parts.answers.wait_for_all(wait))
    except DependencyUnavailable as error:
        note(f"What was found is published, but answers cannot be read: {error}")
        return None


def _print_polls(polls: Sequence[PollResult], rejected: Mapping[str, int], *, as_json: bool) -> None:
    lines = [line for poll in polls for line in format_lines(poll)]
    lines += [
        f"{name}: {number} rejected by Kreisfunk; see `kreisfunk feeds drafts list`"
        for name, number in rejected.items()
    ]
    print_result({"origins": build_json(polls), "rejected": rejected}, "\n".join(lines), json=as_json)
