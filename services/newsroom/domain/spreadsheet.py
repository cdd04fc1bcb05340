"""Tables as CSV for German spreadsheet programs."""

import csv
import io
from collections.abc import Iterable, Sequence

_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"  # without it, Excel does not take the text for UTF-8
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return the table with semicolons; no cell is taken for a formula."""
    written = io.StringIO()
    table = csv.writer(written, delimiter=";", lineterminator="\r\n")
    table.writerow(head)
    for row in rows:
        table.writerow([_escape_cell(cell) for cell in row])
    return (_MARK + written.getvalue()).encode()


def _escape_cell(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
