"""The commands."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cli.broker import away_advice
from cli.feeds import drafts
from cli.feeds.deciding import Place as Name
from cli.feeds.folder import FolderInUse, MemoryDamaged
from cli.feeds.opening import open_folder, open_parts, open_rules, open_settings
from cli.feeds.overview import overview, overview_text, tried_text
from cli.feeds.polling import Poll
from cli.feeds.reporting import as_lines, as_objects
from cli.feeds.running import serve
from cli.feeds.trying import CannotTry, material_at, try_all
from cli.feeds.wiring import Parts
from cli.output import EXIT_AWAY, EXIT_FAILED, EXIT_REJECTED, EXIT_USAGE, fail, say
from shared.outcome import DependencyAway
from shared.runtime.clock import system_clock
from shared.runtime.logs import configure_logs
from shared.runtime.process import run as run_process

app = typer.Typer(
    help="Feeds of the county's website (RSS, Atom) and warnings (CAP 1.2) become notices.", no_args_is_help=True
)
app.add_typer(drafts.app, name="drafts")

File = Annotated[Path | None, typer.Option(help="What is read, in TOML; else KREISFUNK_FEEDS_FILE.")]
Place = Annotated[Path | None, typer.Option("--folder", help="What is known and drafts; else KREISFUNK_FEEDS_FOLDER.")]
Stack = Annotated[
    Path | None, typer.Option(help="Folder of a local stack; else KREISFUNK_BROKER_URL, else .local/up or .local/demo.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Name of a feed or of alerts; may be repeated.")]


@app.command()
def once(
    file: File = None,
    folder: Place = None,
    only: Only = None,
    wait: Annotated[float, typer.Option(min=0, max=600, help="Longest wait for Kreisfunk's answers, in s.")] = 5.0,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Look at everything once, now, and publish what is new.

    Exit status: 0 all looked at, 1 something could not be read or was rejected, 2 wrong command line or configuration,
    4 Kreisfunk away or login refused (what was found is kept, and published next time).
    """
    settings = open_settings(stack, file, folder)
    configure_logs(service="feeds", level="error")
    parts = open_parts(settings)
    try:
        with parts.folder.alone():
            polls, rejected = asyncio.run(_once(parts, only or (), wait))
    except (FolderInUse, MemoryDamaged) as error:
        fail(str(error), status=EXIT_USAGE)
    except DependencyAway as error:
        fail(str(error), f"{away_advice(error)} What was found is kept, and published next time.", EXIT_AWAY)
    _show(polls, rejected, as_json=json)
    if rejected or any(poll.failed for poll in polls):
        raise typer.Exit(EXIT_FAILED)


@app.command("list")
def list_origins(file: File = None, folder: Place = None, json: Json = False) -> None:
    """List what is read, what is known of it, and what waits for somebody: drafts, and what was refused.

    Exit status: 0, 2 wrong command line or configuration.
    """
    rules, _ = open_rules(file)
    try:
        found = overview(rules, open_folder(folder))
    except MemoryDamaged as error:
        fail(str(error), status=EXIT_USAGE)
    say(msgspec.json.encode(found).decode() if json else overview_text(found))


@app.command()
def check(
    target: Annotated[str, typer.Argument(help="A file, an address, or - for standard input: a feed or an alert.")],
    by: Annotated[str | None, typer.Option("--as", help="By whose rules: name of a feed or of alerts.")] = None,
    file: File = None,
    json: Json = False,
) -> None:
    """Say what would become of each entry if it came now and were new. Nothing is kept, nothing is sent.

    Exit status: 0 all fine, 1 it cannot be read, 2 wrong command line or configuration, 3 something in it is broken or
    would be refused.
    """
    rules, county = open_rules(file)
    configure_logs(service="feeds", level="error")
    place = Name(system=rules.system, source=rules.source, county=county, now=system_clock())
    try:
        tried = try_all(asyncio.run(material_at(target, rules)), rules, by, place)
    except CannotTry as error:
        fail(str(error))
    say(msgspec.json.encode({"entries": tried}).decode() if json else tried_text(tried))
    if not all(one.is_fine for one in tried):
        raise typer.Exit(EXIT_REJECTED)


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
