"""Plain-text tables for a terminal."""

from collections.abc import Sequence
from datetime import datetime

from cli.output import escape


def format_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Align the columns; columns of numbers to the right."""
    cells = [[escape(str(cell), line=True) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [bool(rows) and all(isinstance(row[place], int | float) for row in rows) for place in range(len(head))]
    return "\n".join(_format_row(row, widths, right) for row in cells)


def _format_row(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    places = zip(row, widths, right, strict=True)
    return "  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in places).rstrip()


def format_pairs(*rows: tuple[str, object]) -> str:
    """Format names and values, one pair a line."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {escape(str(value), line=True)}" for name, value in rows)


def format_time(at: datetime | None) -> str:
    """Format a time in this machine's time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at else "-"


def format_duration(seconds: float) -> str:
    """Format an approximate duration in the largest unit of which it has at least two."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
