"""What the commands do that publish."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import typer

from cli.broker import away_advice
from cli.feeds.folder import FolderInUse, MemoryDamaged
from cli.feeds.opening import open_parts, open_settings
from cli.feeds.polling import Poll
from cli.feeds.reporting import as_lines, as_objects
from cli.feeds.running import serve
from cli.feeds.wiring import Parts
from cli.output import EXIT_AWAY, EXIT_FAILED, EXIT_USAGE, fail, say
from shared.outcome import DependencyAway
from shared.runtime.logs import configure_logs
from shared.runtime.process import run as run_process


def look_once(
    stack: Path | None, file: Path | None, folder: Path | None, only: Sequence[str], wait: float, *, as_json: bool
) -> None:
    """Say what became of everything, and end the command with its status."""
    settings = open_settings(stack, file, folder)
    configure_logs(service="feeds", level="error")
    parts = open_parts(settings)
    try:
        with parts.folder.alone():
            polls, rejected = asyncio.run(_once(parts, only, wait))
    except (FolderInUse, MemoryDamaged) as error:
        fail(str(error), status=EXIT_USAGE)
    except DependencyAway as error:
        fail(str(error), f"{away_advice(error)} What was found is kept, and published next time.", EXIT_AWAY)
    _show(polls, rejected, as_json=as_json)
    if rejected or any(poll.failed for poll in polls):
        raise typer.Exit(EXIT_FAILED)


def run_all(stack: Path | None, file: Path | None, folder: Path | None) -> None:
    """Look at everything again and again until SIGTERM or Ctrl-C."""
    settings = open_settings(stack, file, folder)
    configure_logs(service="feeds", level=settings.log_level)
    parts = open_parts(settings)
    try:
        with parts.folder.alone():
            run_process(partial(serve, settings, parts), drain_seconds=settings.drain_seconds)
    except FolderInUse as error:
        fail(str(error), status=EXIT_USAGE)


async def _once(parts: Parts, only: Sequence[str], wait: float) -> tuple[list[Poll], Mapping[str, int]]:
    async with parts.pollers() as pollers:
        chosen = [poller for poller in pollers if not only or poller.name in only]
        polls = [await poller.poll() for poller in chosen]
    return polls, await parts.hearing.hear_all(wait)


def _show(polls: Sequence[Poll], rejected: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        say(msgspec.json.encode({"origins": as_objects(polls), "rejected": rejected}).decode())
        return
    for poll in polls:
        for line in as_lines(poll):
            say(line)
    for name, number in rejected.items():
        say(f"{name}: {number} rejected by Kreisfunk; see `kreisfunk feeds drafts list`")
