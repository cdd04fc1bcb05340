"""Options that the commands on feeds and those on drafts have."""

from pathlib import Path
from typing import Annotated

import typer

Feeds = Annotated[Path | None, typer.Option("--file", help="What is read, in TOML; else KREISFUNK_FEEDS_FILE.")]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="What is known and drafts; else KREISFUNK_FEEDS_FOLDER.")
]
