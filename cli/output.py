"""Output of commands: results on stdout as text, tables or JSON, problems with advice on stderr."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from enum import IntEnum
from typing import Any, NoReturn

import msgspec
import typer
from rich.console import Console

from shared.contracts.events import Problem
from shared.contracts.hours import LOCAL_ZONE

# Control characters, characters that change the direction of writing or are invisible, and lone surrogates, which
# cannot be encoded.
_CONTROL_CHARACTERS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)


def escape(text: str, *, line: bool = False) -> str:
    """Return the text with control characters escaped as in JSON; with `line`, tabs and line feeds, too."""
    escaped = _CONTROL_CHARACTERS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return escaped.replace("\n", "\\n").replace("\t", "\\t") if line else escaped


class _Console(Console):
    """Console that escapes control characters in all text, which may come from outside."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(escape(value) if isinstance(value, str) else value for value in objects), **options)


console = _Console(stderr=True, highlight=False, soft_wrap=True)


class Exit(IntEnum):
    """Exit status of a command that did not succeed."""

    FAILED = 1
    USAGE = 2
    REJECTED = 3
    UNAVAILABLE = 4
    NO_ANSWER = 5
    NO_EFFECT = 6
    INTERRUPTED = 130


def fail(problem: str, advice: str = "", status: Exit = Exit.FAILED) -> NoReturn:
    note(problem, "bold red")
    if advice:
        note(advice)
    raise typer.Exit(status)


def say(line: str) -> None:
    """Print one line of a command's result and flush; control characters in it are escaped.

    Ends the command if that fails, and blames nothing else, such as a database.
    """
    try:
        sys.stdout.write(f"{escape(line)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the end, when Python would try once more
        fail(
            f"The output cannot be written: {error.strerror}",
            "What was asked for may be done: look before you repeat it.",
        )


def print_result(as_object: Any, as_text: str, *, json: bool) -> None:
    """Print one JSON object for scripts, or text for people."""
    say(msgspec.json.encode(as_object).decode() if json else as_text)


def note(text: str, style: str | None = None) -> None:
    """Print what is not a result, such as a step or a warning, on stderr."""
    console.print(text, style=style, markup=False)


def print_step(step: str) -> None:
    note(f"- {step}")


def show_status(text: str) -> AbstractContextManager[object]:
    """Return a context in which a terminal shows a spinner with this text."""
    return console.status(text) if console.is_terminal else nullcontext()


def confirm(question: str, *, yes: bool, otherwise: str) -> None:
    """End the command unless the person at the terminal agrees; without a terminal, `yes` is required."""
    if yes:
        return
    if not console.is_terminal:
        fail(otherwise, "Use --yes to confirm.", Exit.USAGE)
    typer.confirm(question, abort=True, err=True)


def format_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Align the columns; numbers are right-aligned."""
    cells = [[escape(str(cell), line=True) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [bool(rows) and all(isinstance(row[index], int | float) for row in rows) for index in range(len(head))]
    return "\n".join(_format_row(row, widths, right) for row in cells)


def format_list(head: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str, total: int = 0) -> str:
    """Format a table, and how many of `total` it leaves out with --limit; `empty` if there are no rows."""
    if not rows:
        return empty
    omitted = total - len(rows)
    return format_table(head, rows) + (f"\n{omitted} more: --limit {total}" if omitted > 0 else "")


def _format_row(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    columns = zip(row, widths, right, strict=True)
    return "  ".join(cell.rjust(width) if is_right else cell.ljust(width) for cell, width, is_right in columns).rstrip()


def format_pairs(*rows: tuple[str, object]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {escape(str(value), line=True)}" for name, value in rows)


def format_problems(problems: Iterable[Problem]) -> list[str]:
    """Format one line for each rejected field."""
    return [f"{problem.field}: {problem.problem}" for problem in problems]


def format_time(time: datetime | None) -> str:
    """Format a time in the county's time zone, with its offset."""
    return time.astimezone(LOCAL_ZONE).isoformat(" ", "seconds") if time else "-"


def format_duration(seconds: float) -> str:
    """Format an approximate duration in the largest unit of which it has at least two."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
