"""`kreisfunk backup` and `kreisfunk restore`: the whole database as one encrypted file, and back (decision 0032)."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DatabaseStack, Json

Key = Annotated[Path | None, typer.Option("--key", help="File with the key of backups; else KREISFUNK_BACKUP_KEY.")]

app = typer.Typer(no_args_is_help=True)


@app.command()
def key(file: Annotated[Path, typer.Argument(help="Where the key goes; must not exist.")]) -> None:
    """Create a key of backups, readable by its owner only. Keep a copy elsewhere: without it no backup can be read.

    Exit status: 0, 2 the file exists or cannot be written.
    """
    from cli.backup.actions import create_key

    create_key(file)


@app.command()
def create(
    target: Annotated[Path, typer.Argument(help="A folder, or the name of a new file.")],
    key: Key = None,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Save the database as of this moment. The file appears only when it is complete; nobody else can read it.

    Exit status: 0, 1 not written, 2 wrong command line or settings, 4 database unavailable or role refused.
    """
    from cli.backup.actions import create_backup

    create_backup(target, key, stack, json=json)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    key: Key = None,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Restore a backup into a database of its own, count its rows, and remove that database again.

    Exit status: 0, 1 the backup is not whole or not of this key, 2 wrong command line or settings, 3 not of this
    version, 4 database unavailable or role refused.
    """
    from cli.backup.actions import verify_backup

    verify_backup(file, key, stack, json=json)


def restore(
    file: Annotated[Path | None, typer.Argument(help="A backup.")] = None,
    key: Key = None,
    elsewhere: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Instead: the database was brought back by other means, as it was then."),
    ] = None,
    lost_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When the old database was lost, if nothing can have been sent since."),
    ] = None,
    json: Json = False,
    stack: DatabaseStack = None,
) -> None:
    """Restore a backup into an empty database. Sending is paused then, until `kreisfunk sending resume`.

    What may have been sent without this database knowing is held: `kreisfunk deliveries unknown` lists it, and nothing
    of it is sent by itself. Times are in ISO 8601, such as 2026-12-01T14:30+01:00.

    Exit status: 0, 1 the backup is not whole or not of this key, 2 wrong command line or settings, 3 the database is
    not empty or the backup not of this version, 4 database unavailable or role refused.
    """
    from cli.backup.actions import mark_restored, restore_backup

    if (file is None) == (elsewhere is None):
        raise typer.BadParameter("name a backup, or --elsewhere")
    if file:
        restore_backup(file, key, stack, lost_at, json=json)
    elif elsewhere:
        mark_restored(elsewhere, stack, lost_at, json=json)
