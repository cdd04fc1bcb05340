"""The commands."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cli.keys.ring_files import RingFilesError, add_key
from cli.keys.rotation import Store
from cli.keys.settings import Settings
from cli.keys.stores import STORES
from cli.output import console, fail, say
from shared.runtime.settings import read_settings
from shared.sealing import SealingError

# Whoever still holds the old ring alone goes on sealing with it: then this never ends by itself.
PASSES = 3

keys = typer.Typer(help="New sealing keys, while everything runs.", no_args_is_help=True)


@keys.command("add")
def add(folder: Annotated[Path, typer.Argument(help="Folder of secrets, as `kreisfunk secrets` made it.")]) -> None:
    """Add a new key to all rings. Then restart dispatcher and ingress, one replica after the other, and rotate."""
    try:
        version = add_key(folder)
    except (RingFilesError, SealingError, OSError) as error:
        fail(str(error), "Was the folder made by `kreisfunk secrets`?")
    say(f"version {version} added; restart dispatcher and ingress, then run `kreisfunk keys rotate`")


@keys.command("rotate")
def rotate_command() -> None:
    """Seal all stored addresses with the newest key, while everything runs. May be ended at any time and repeated.

    Exit status: 0 nothing is sealed with an older key any more, 1 something is, 2 settings missing.
    """
    settings = read_settings(Settings)
    started = time.monotonic()
    try:
        sealed, unreadable = asyncio.run(_rotate(settings))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        fail(f"database: {type(error).__name__}", "What was done stays done: run it again.")
    if unreadable:
        fail(f"{unreadable} addresses have a key that is not in the ring.", "Add the old keys and run it again.")
    seconds = time.monotonic() - started
    say(f"everything is sealed with version {max(settings.ring.keys)}: {sealed} sealed anew in {seconds:.1f} s")


async def _rotate(settings: Settings) -> tuple[int, int]:
    """How many were sealed anew, and how many do not open."""
    connection = await asyncpg.connect(settings.database_url, password=settings.database_secret, timeout=10)
    try:
        sealed = 0
        for _ in range(PASSES):
            with _bars() as bars:
                counts = [await _store(connection, store, settings, bars) for store in STORES]
            fresh, unreadable = (sum(column) for column in zip(*counts, strict=True))
            sealed += fresh
            if not fresh or unreadable:
                return sealed, unreadable
        fail(
            "Somebody still seals with an older key.",
            "Restart every dispatcher and every ingress, then run it again.",
        )
    finally:
        await connection.close()


async def _store(connection: asyncpg.Connection, store: Store, settings: Settings, bars: Progress) -> tuple[int, int]:
    sealed = unreadable = 0
    left = await store.left(connection, settings.ring)
    task: TaskID = bars.add_task(store.name, total=left)
    async for page in store.rotate(connection, settings.ring):
        sealed, unreadable = sealed + page.sealed, unreadable + page.unreadable
        bars.update(task, advance=page.read)
    bars.update(task, completed=left)
    if sealed:
        say(f"{store.name}: {sealed} sealed anew")
    return sealed, unreadable


@contextmanager
def _bars() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        yield bars
