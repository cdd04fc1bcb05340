"""Entry point of `python -m tests.faults`."""

import typer

from tests.faults.command import faults

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(faults)
app(prog_name="python -m tests.faults")
