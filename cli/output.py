"""How commands talk: results on stdout, problems on stderr with what to do about them."""

import sys
from typing import NoReturn

import typer
from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)

EXIT_FAILED = 1
EXIT_USAGE = 2


def fail(problem: str, advice: str = "", status: int = EXIT_FAILED) -> NoReturn:
    """End the command with what went wrong and what to do."""
    console.print(problem, style="bold red", markup=False)
    if advice:
        console.print(advice, markup=False)
    raise typer.Exit(status)


def say(line: str) -> None:
    """One line of a command's result, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
