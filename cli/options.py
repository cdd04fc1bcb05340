"""Options that several commands have. Declaring a command imports no more than this: its work is in `work.py`."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
BrokerStack = Annotated[
    Path | None, typer.Option(help="Folder of a local stack; else KREISFUNK_BROKER_URL, else .local/up or .local/demo.")
]

# How long Kreisfunk's answer is waited for, unless an option says otherwise.
ANSWER_TIMEOUT_SECONDS = 10.0
