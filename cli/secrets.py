"""`kreisfunk secrets`: the passwords, tokens and keys of an installation, as files."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.secrets import create_secrets


def secrets(
    folder: Annotated[Path, typer.Argument(help="Where the files go, one folder for each who needs some.")],
) -> None:
    """Create all secrets that are missing. Files that exist stay as they are; running again is safe."""
    created = create_secrets(folder)
    for path in created.new:
        typer.echo(f"created {path}")
    for path in created.restored:
        typer.echo(f"restored {path}")
    typer.echo(f"secrets: {created.describe()}; all complete in {folder}")
