"""A backup is tried in a database of its own, where nothing is ever committed: whatever dies, no data stays there."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from cli.backup.frames import BackupFileError
from cli.backup.tables import Manifest, OnRows, restore_database
from cli.database import open_connection
from cli.settings import BackupSettings

# Named after the database whose backup is tried: the server may have other installations.
_PREFIX = "select 'kreisfunk_verify_' || oid || '_' from pg_database where datname = current_database()"
_LEFTOVERS = "select datname from pg_database where datname ~ ('^' || $1 || '[0-9a-f]{8}$')"


async def try_restore(
    owner: asyncpg.Connection, settings: BackupSettings, manifest: Manifest, frames: Iterator[bytes], on_rows: OnRows
) -> None:
    """Restore a backup into a new database, count its rows, and drop that database. Raises BackupFileError."""
    await owner.execute("select pg_advisory_lock(hashtext('kreisfunk_verify'))")  # one at a time, as long as it lasts
    prefix = await owner.fetchval(_PREFIX)
    await _drop_leftovers(owner, prefix)
    name = f"{prefix}{secrets.token_hex(4)}"
    url = urlunsplit(urlsplit(settings.database_url)._replace(path=f"/{name}"))
    await owner.execute(f"create database {name} template template0")
    try:
        async with open_connection(settings.model_copy(update={"database_url": url}), "backup") as connection:
            await restore_and_count(connection, manifest, frames, on_rows)
    finally:
        await owner.execute(f"drop database {name} with (force)")


async def restore_and_count(
    connection: asyncpg.Connection, manifest: Manifest, frames: Iterator[bytes], on_rows: OnRows
) -> None:
    """Restore a backup into an empty database, count its rows, and roll all of it back. Raises BackupFileError."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await restore_database(connection, manifest, frames, on_rows)
        for table in manifest.tables:
            found = await connection.fetchval(f"select count(*) from {table.schema}.{table.name}")  # noqa: S608 - ours
            if found != table.rows:
                raise BackupFileError(f"restores {found} rows of {table.schema}.{table.name} instead of {table.rows}")
    finally:
        await transaction.rollback()


async def _drop_leftovers(owner: asyncpg.Connection, prefix: str) -> None:
    """Drop what trials left that were killed; a database to which a dying one is still connected stays for now."""
    for row in await owner.fetch(_LEFTOVERS, prefix):
        with suppress(asyncpg.ObjectInUseError):
            await owner.execute(f"drop database if exists {row[0]}")
