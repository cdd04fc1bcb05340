"""`kreisfunk backup` and `kreisfunk restore`: the whole database as one encrypted file (decision 0032)."""

import errno
import secrets
import signal
import socket
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import asyncpg
import msgspec
import typer

from cli.backup import tables
from cli.backup.files import BackupFileError, FrameWriter, create_atomically, read_frames, require_room
from cli.backup.holding import HeldWork, hold_everything
from cli.database import UNAVAILABLE, run_on_database
from cli.options import DatabaseStack, Json
from cli.output import Exit, fail, format_time, print_result, say
from cli.progress import build_bars
from cli.settings import BackupSettings, read_installation_settings
from cli.stacks import DATABASE_URL
from deploy.atomic_write import write_secret
from deploy.secrets import generate_key
from shared.database.migrations import MigrationError
from shared.encryption import EncryptionError, parse_key
from shared.notices.cloudevents import attach_local_zone

Key = Annotated[Path | None, typer.Option("--key", help="File with the key of backups; else KREISFUNK_BACKUP_KEY.")]
_SERVICES = r"""
select distinct usename::text from pg_stat_activity
where datname = current_database() and usename ~ '^kreisfunk_(subscriptions|dispatcher|newsroom)$' order by 1
"""
_MOUNT_ADVICE = "In containers /backups is KREISFUNK_BACKUPS, else ./backups; user 10001 must own it and its files."
_ROOM_ADVICE = "No file was left behind: free space, or choose another disk."
_ADVICE = {errno.ENOSPC: _ROOM_ADVICE, errno.EACCES: _MOUNT_ADVICE, errno.ENOENT: _MOUNT_ADVICE}
T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)


@app.command("key")
def create_key(file: Annotated[Path, typer.Argument(help="New file for the key.")]) -> None:
    """Create a key of backups, readable by its owner only. Keep a copy elsewhere: without it no backup can be read.

    Exit status: 0, 2 the file exists or cannot be written.
    """
    if file.exists():
        fail(f"{file} exists.", "A key is never overwritten: its backups would be unreadable.", Exit.USAGE)
    try:
        write_secret(file, generate_key(secrets.token_bytes))
    except OSError as error:
        fail(f"{file}: {error.strerror}", status=Exit.USAGE)
    say(f"created {file}; keep a copy elsewhere, but not with the backups")


@app.command()
def create(
    target: Annotated[Path, typer.Argument(help="A folder, or the name of a new file.")],
    key: Key = None,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Save the database as of this moment. The file appears only when it is complete; only its owner can read it.

    Exit status: 0, 1 not written, 2 wrong command line or settings, 4 database unavailable or role refused.
    """
    settings = _read_settings(stack)
    secret = _read_key(key, settings)
    path = target / f"kreisfunk-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup" if target.is_dir() else target

    async def save(connection: asyncpg.Connection) -> tables.Manifest:
        with create_atomically(path) as file, _show_progress("saving") as show_rows:

            def on_rows(rows: int, total: int) -> None:
                require_room(path.parent)
                show_rows(rows, total)

            return await tables.save_database(connection, FrameWriter(file, secret), on_rows)

    manifest = _run(settings, save, path)
    size = path.stat().st_size
    text = f"{path}: {manifest.rows} rows as of {format_time(manifest.saved_at)}, {size / 1e6:.1f} MB"
    result = {"file": str(path), "saved_at": manifest.saved_at, "rows": manifest.rows, "bytes": size}
    print_result(result, text, json=json)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    key: Key = None,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Restore a backup into a temporary database, count its rows, and drop that database.

    Exit status: 0, 1 the backup is incomplete or of another key, 2 wrong command line or settings, 3 not of this
    version, 4 database unavailable or role refused.
    """
    settings = _read_settings(stack)
    secret = _read_key(key, settings)

    async def try_file(owner: asyncpg.Connection) -> tables.Manifest:
        with _open_backup(file, secret) as (manifest, frames), _show_progress("verifying") as on_rows:
            await tables.try_restore(owner, settings, manifest, frames, on_rows)
        return manifest

    manifest = _run(settings, try_file, file)
    summary = f"complete; {manifest.rows} rows in {len(manifest.tables)} tables as of {format_time(manifest.saved_at)}"
    print_result({"saved_at": manifest.saved_at, "rows": manifest.rows}, f"{file}: {summary}", json=json)


def restore(
    file: Annotated[Path | None, typer.Argument(help="A backup.")] = None,
    key: Key = None,
    elsewhere: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Instead: mark a database restored by other means, as of this time."),
    ] = None,
    lost_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When the old database was lost, if nothing can have been sent since."),
    ] = None,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Restore a backup into an empty database. Sending stays paused until `kreisfunk sending resume`.

    What may have been sent without a record in this database is held: `kreisfunk deliveries unknown` lists it, and
    none of it is sent automatically. Times are in ISO 8601, such as 2026-12-01T14:30+01:00.

    Exit status: 0, 1 the backup is incomplete or of another key, 2 wrong command line or settings, 3 the database is
    not empty or the backup not of this version, 4 database unavailable or role refused.
    """
    if (file is None) == (elsewhere is None):
        raise typer.BadParameter("name a backup, or --elsewhere")
    lost = _parse_time(lost_at, max) if lost_at else None  # the earlier would send twice what left in between
    if file is not None:
        _restore_backup(file, key, stack, lost, json=json)
    if elsewhere is not None:
        _mark_restored(_parse_time(elsewhere, min), stack, lost, json=json)


def _restore_backup(file: Path, key: Path | None, stack: Path | None, lost_at: datetime | None, *, json: bool) -> None:
    settings = _read_settings(stack)
    secret = _read_key(key, settings)

    async def restore_and_hold(connection: asyncpg.Connection) -> None:
        with _open_backup(file, secret) as (manifest, frames), _show_progress("restoring") as on_rows:
            await _require_empty(connection)
            _check_order(manifest.saved_at, lost_at)
            async with connection.transaction():
                await tables.restore_database(connection, manifest, frames, on_rows)
                held = await hold_everything(connection, manifest.saved_at, lost_at)
        # Print the next steps first, whatever may end the rest.
        print_result(held, f"restored: {file}\n{describe_held(held)}", json=json)
        with suppress(*UNAVAILABLE):  # the server does it later on its own
            await connection.execute("analyze")

    _run(settings, restore_and_hold, file)


def _mark_restored(saved_at: datetime, stack: Path | None, lost_at: datetime | None, *, json: bool) -> None:
    """Hold what may have been sent since, in a database that was restored by other means."""

    if saved_at > datetime.now(UTC):  # nothing would be held
        fail(f"{format_time(saved_at)} is in the future.", "Correct --elsewhere.", Exit.USAGE)

    async def mark(connection: asyncpg.Connection) -> HeldWork:
        if running := [row[0] for row in await connection.fetch(_SERVICES)]:
            fail(f"Services are connected: {', '.join(running)}.", "Stop them, and restore again.", Exit.REJECTED)
        _check_order(saved_at, lost_at)
        async with connection.transaction():
            return await hold_everything(connection, saved_at, lost_at)

    held = _run(_read_settings(stack), mark, None)
    print_result(held, describe_held(held), json=json)


def _read_key(file: Path | None, settings: BackupSettings) -> bytes:
    if file is None and settings.backup_key is None:
        fail("There is no key.", "Name its file with --key, or run `kreisfunk secrets` again.", Exit.USAGE)
    try:
        return parse_key((file.read_text() if file else settings.backup_secret).strip())
    except OSError as error:
        fail(f"{file}: {error.strerror}", status=Exit.USAGE)
    except (EncryptionError, UnicodeDecodeError):
        fail("This is not a backup key.", "`kreisfunk backup key FILE` creates one.", Exit.USAGE)


def _parse_time(text: str, choose: Callable[[Iterable[datetime]], datetime]) -> datetime:
    """Return a time; one without an offset is in the county's time zone, where one hour of a year comes twice."""
    try:
        moment = datetime.fromisoformat(text)
        return choose(attach_local_zone(moment.replace(fold=fold)).astimezone(UTC) for fold in (0, 1))
    except (ValueError, OverflowError):
        fail(f"{text} is not a time.", "Write it as 2026-12-01T14:30+01:00.", Exit.USAGE)


def _check_order(saved_at: datetime, lost_at: datetime | None) -> None:
    if lost_at is not None and not saved_at <= lost_at <= datetime.now(UTC):
        fail(f"The database was lost between {format_time(saved_at)} and now.", "Correct --lost-at.", Exit.USAGE)


@contextmanager
def _open_backup(file: Path, key: bytes) -> Iterator[tuple[tables.Manifest, Iterator[bytes]]]:
    with open(file, "rb") as opened:
        frames = read_frames(opened, key)
        yield tables.read_head(frames), frames


async def _require_empty(connection: asyncpg.Connection) -> None:
    if existing := await tables.find_tables(connection):
        advice = (
            "A backup is never mixed with existing data. Stop all services; then restore into a new database, or drop"
            " the schemas subscriptions, dispatcher and newsroom if nothing in them is needed any more."
        )
        fail(f"The database is not empty: it has {', '.join(existing)}.", advice, Exit.REJECTED)


@contextmanager
def _show_progress(label: str) -> Iterator[tables.OnRows]:
    with build_bars() as bars:
        task = bars.add_task(label, total=None)
        yield lambda rows, total: bars.update(task, advance=rows, total=total)


def _read_settings(stack: Path | None) -> BackupSettings:
    return read_installation_settings(BackupSettings, stack, DATABASE_URL, lambda local: local.processes["admin"])


def _run(settings: BackupSettings, act: Callable[[asyncpg.Connection], Awaitable[T]], file: Path | None) -> T:
    """Return the result of `act` with a connection of the owner; end the command on an error, with advice."""

    async def run(connection: asyncpg.Connection) -> T:
        with explain_file_errors(file):
            return await act(connection)

    if threading.current_thread() is threading.main_thread():
        # Handle SIGTERM like Ctrl-C: the first process of a container ignores it by default.
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    return run_on_database(settings, "backup", run, role="the database's owner; `verify` creates a database")


@contextmanager
def explain_file_errors(file: Path | None) -> Iterator[None]:
    """End the command if the file or its content is wrong; errors of the database connection pass."""
    try:
        yield
    except (BackupFileError, msgspec.DecodeError, zlib.error) as error:
        fail(f"{file} {error}.", "Nothing was changed.")
    except (tables.IncompatibleBackupError, MigrationError) as error:
        fail(str(error), "Nothing was changed.", Exit.REJECTED)
    except (ConnectionError, TimeoutError, socket.gaierror):  # the database's
        raise
    except OSError as error:
        fail(f"{file}: {error.strerror or error}", _ADVICE.get(error.errno or 0, ""))


def describe_held(held: HeldWork) -> str:
    """Return a text on what is held after a restore, and the next steps."""
    return "\n".join(
        (
            "Sending is paused. This database knows nothing of what happened"
            f" from {format_time(held.saved_at)} to {format_time(held.lost_at)}:",
            f"  {held.deliveries} deliveries of {held.broadcasts} broadcasts and {held.replies} replies may have been"
            " sent: they are held",
            f"  {held.unfinished} broadcasts were running: their remaining recipients will be held, too",
            f"  {held.scheduled} broadcasts are scheduled; any of them may have been withdrawn since",
            f"  {held.returned} unconfirmed newsroom notices are back with their editors",
            '  those who said "Stop" or "Löschen" in that time are subscribed again, and those who subscribed are not',
            "Next: `kreisfunk migrate`; let `kreisfunk keys status` end with 0 (else rotate; until then no message is"
            " handled and sending is not resumed); if the broker kept its messages, purge dispatch.urgent and"
            " dispatch.bulk there; start the services, read `kreisfunk deliveries unknown` and"
            " `kreisfunk broadcasts list`, then `kreisfunk sending resume`.",
        )
    )
