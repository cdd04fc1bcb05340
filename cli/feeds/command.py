"""The commands."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cli.broker import away_advice
from cli.feeds.folder import FolderInUse, MemoryDamaged
from cli.feeds.opening import open_parts, open_settings
from cli.feeds.polling import Poll
from cli.feeds.reporting import as_lines, as_objects
from cli.feeds.running import serve
from cli.feeds.wiring import Parts
from cli.output import EXIT_FAILED, EXIT_USAGE, fail, say
from cli.publish.answers import EXIT_AWAY
from shared.outcome import DependencyAway
from shared.runtime.logs import configure_logs
from shared.runtime.process import run as run_process

app = typer.Typer(
    help="Feeds of the county's website (RSS, Atom) and warnings (CAP 1.2) become notices.", no_args_is_help=True
)

File = Annotated[Path | None, typer.Option(help="What is read, in TOML; else KREISFUNK_FEEDS_FILE.")]
Place = Annotated[Path | None, typer.Option("--folder", help="What is known and drafts; else KREISFUNK_FEEDS_FOLDER.")]
Stack = Annotated[
    Path | None, typer.Option(help="Folder of a local stack; else KREISFUNK_BROKER_URL, else .local/up or .local/demo.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Name of a feed or of alerts; may be repeated.")]


@app.command()
def once(file: File = None, folder: Place = None, only: Only = None, json: Json = False, stack: Stack = None) -> None:
    """Look at everything once, now, and publish what is new.

    Exit status: 0 all looked at, 1 something could not be read, 2 wrong command line or configuration,
    4 Kreisfunk away or login refused (what was found is kept, and published next time).
    """
    settings = open_settings(stack, file, folder)
    configure_logs(service="feeds", level="error")
    parts = open_parts(settings)
    try:
        with parts.folder.alone():
            polls = asyncio.run(_once(parts, only or ()))
    except (FolderInUse, MemoryDamaged) as error:
        fail(str(error), status=EXIT_USAGE)
    except DependencyAway as error:
        fail(str(error), f"{away_advice(error)} What was found is kept, and published next time.", EXIT_AWAY)
    _show(polls, as_json=json)
    if any(poll.failed for poll in polls):
        raise typer.Exit(EXIT_FAILED)


@app.command()
def run(file: File = None, folder: Place = None, stack: Stack = None) -> None:
    """Look at everything again and again until SIGTERM or Ctrl-C, and publish what is new.

    `/readyz` and `/metrics` are on the internal port. Exit status: 0 ended, 2 configuration.
    """
    settings = open_settings(stack, file, folder)
    configure_logs(service="feeds", level=settings.log_level)
    parts = open_parts(settings)
    try:
        with parts.folder.alone():
            run_process(partial(serve, settings, parts), drain_seconds=settings.drain_seconds)
    except FolderInUse as error:
        fail(str(error), status=EXIT_USAGE)


async def _once(parts: Parts, only: Sequence[str]) -> list[Poll]:
    async with parts.pollers() as pollers:
        chosen = [poller for poller in pollers if not only or poller.name in only]
        return [await poller.poll() for poller in chosen]


def _show(polls: Sequence[Poll], *, as_json: bool) -> None:
    if as_json:
        say(msgspec.json.encode({"origins": as_objects(polls)}).decode())
        return
    for poll in polls:
        for line in as_lines(poll):
            say(line)
