"""The commands."""

import asyncio
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from cli.keys.ring_files import RingFilesError, add_key
from cli.keys.rotation import COLUMNS, Column, rotate
from cli.keys.settings import Settings
from cli.output import fail, say
from shared.runtime.settings import read_settings
from shared.sealing import SealingError

SAY_EVERY = 100_000

keys = typer.Typer(help="New sealing keys, while everything runs.", no_args_is_help=True)


@keys.command("add")
def add(folder: Annotated[Path, typer.Argument(help="Folder of secrets, as `kreisfunk secrets` made it.")]) -> None:
    """Add a new key to all rings. Then restart ingress and dispatcher, one replica after the other, and rotate."""
    try:
        version = add_key(folder)
    except (RingFilesError, SealingError, OSError) as error:
        fail(str(error), "Was the folder made by `kreisfunk secrets`?")
    say(f"version {version} added; restart ingress and dispatcher, then run `kreisfunk keys rotate`")


@keys.command("rotate")
def rotate_command() -> None:
    """Seal all stored addresses with the newest key. May be ended at any time and repeated."""
    settings = read_settings(Settings)
    try:
        unreadable = asyncio.run(_rotate(settings))
    except (OSError, asyncpg.PostgresError) as error:
        fail(f"database: {type(error).__name__}", "What was done stays done: run it again.")
    if unreadable:
        fail(f"{unreadable} addresses have a key that is not in the ring.", "Add the old keys and run it again.")
    say(f"everything is sealed with version {max(settings.ring.keys)}")


async def _rotate(settings: Settings) -> int:
    connection = await asyncpg.connect(settings.database_url, password=settings.database_secret, timeout=10)
    try:
        return sum([await _column(connection, column, settings) for column in COLUMNS])
    finally:
        await connection.close()


async def _column(connection: asyncpg.Connection, column: Column, settings: Settings) -> int:
    sealed = unreadable = 0
    async for page in rotate(connection, column, settings.ring):
        before = sealed
        sealed, unreadable = sealed + page.sealed, unreadable + page.unreadable
        if before // SAY_EVERY != sealed // SAY_EVERY:
            say(f"{column.name}: {sealed} so far")
    say(f"{column.name}: {sealed} sealed anew")
    return unreadable
