"""Output of commands: results on stdout, problems with advice on stderr."""

import re
import sys
from typing import Any, NoReturn

import typer
from rich.console import Console

# Control characters, characters that change the direction of writing or are invisible, and lone surrogates, which
# cannot be encoded.
_CONTROL_CHARACTERS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)


def escape(text: str, *, line: bool = False) -> str:
    """Return the text with control characters escaped as in JSON; with `line`, tabs and line feeds, too."""
    shown = _CONTROL_CHARACTERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return shown.replace("\n", "\\n").replace("\t", "\\t") if line else shown


class _Console(Console):
    """Console that escapes control characters in all text, which may come from outside."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(escape(each) if isinstance(each, str) else each for each in objects), **options)


console = _Console(stderr=True, highlight=False, soft_wrap=True)

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REJECTED = 3
EXIT_UNAVAILABLE = 4
EXIT_NO_ANSWER = 5
EXIT_NO_EFFECT = 6


def fail(problem: str, advice: str = "", status: int = EXIT_FAILED) -> NoReturn:
    """End the command with exit status `status`, a problem and advice."""
    console.print(problem, style="bold red", markup=False)
    if advice:
        console.print(advice, markup=False)
    raise typer.Exit(status)


def say(line: str) -> None:
    """Print one line of a command's result and flush; control characters in it are escaped."""
    sys.stdout.write(f"{escape(line)}\n")
    sys.stdout.flush()
