"""`kreisfunk secrets`: the passwords, tokens and keys of an installation, as files."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.secrets import create_secrets


def secrets(
    folder: Annotated[Path, typer.Argument(help="Target folder, with one folder for each process.")],
) -> None:
    """Create all missing secrets. Existing files stay unchanged; safe to repeat."""
    created = create_secrets(folder)
    for path in created.new:
        typer.echo(f"created {path}")
    for path in created.restored:
        typer.echo(f"restored {path}")
    typer.echo(f"secrets: {created.describe()}; all complete in {folder}")
