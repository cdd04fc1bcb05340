"""Options shared by several commands. Declaring a command imports little more."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
BrokerStack = Annotated[
    Path | None, typer.Option(help="Folder of a local stack; else KREISFUNK_BROKER_URL, else .local/up or .local/demo.")
]

DatabaseStack = Annotated[
    Path | None,
    typer.Option(help="Folder of a local stack; else KREISFUNK_DATABASE_URL, else .local/up or .local/demo."),
]
ListLimit = Annotated[int, typer.Option(min=1, help="The oldest so many.")]
WhichOrAll = Annotated[str | None, typer.Argument(help="Its id as `list` shows it; the beginning will do.")]
All = Annotated[bool, typer.Option("--all", help="Everything that is there.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

# Default time to wait for Kreisfunk's answer.
ANSWER_TIMEOUT_SECONDS = 10.0
