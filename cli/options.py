"""Options shared by several commands. Declaring a command imports only this: its work is in `actions.py`."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
BrokerStack = Annotated[
    Path | None, typer.Option(help="Folder of a local stack; else KREISFUNK_BROKER_URL, else .local/up or .local/demo.")
]

# Default time to wait for Kreisfunk's answer.
ANSWER_TIMEOUT_SECONDS = 10.0
