"""Feedback of citizens, for editors to read and export."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.newsroom.domain.progress import name_broadcast

KIND_NAMES: Mapping[str, str] = {"text": "Mitteilung", "rating": "Bewertung", "reaction": "Reaktion"}
VALUE_NAMES: Mapping[str, str] = {"good": "hilfreich", "bad": "nicht hilfreich"}


@dataclass(frozen=True, kw_only=True)
class FeedbackEntry:
    """Anonymous entry; `at` is rounded down to the hour."""

    id: UUID
    kind: str
    at: datetime
    value: str = ""
    text: str = ""
    topic: str | None = None
    broadcast: UUID | None = None
    headline: str | None = None
    revision: int | None = None

    @property
    def broadcast_name(self) -> str:
        return name_broadcast(self.headline, None, self.revision)

    @property
    def kind_name(self) -> str:
        return KIND_NAMES.get(self.kind, self.kind)

    @property
    def value_name(self) -> str:
        return VALUE_NAMES.get(self.value, self.value)


@dataclass(frozen=True, kw_only=True)
class FeedbackFilter:
    """Filter of entries; empty means all. `words` are searched in the text."""

    topic: str = ""
    kind: str = ""
    words: str = ""
    broadcast: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class FeedbackSummary:
    """Counts of the matching entries."""

    total: int
    texts: int = 0
    good: int = 0
    bad: int = 0
    reactions: Mapping[str, int] = field(default_factory=dict)


_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"  # without it, Excel does not recognize UTF-8
_FORMULA_PREFIXES = tuple("=+-@\t\r\n＝＋－＠")


def render_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return the table as CSV with semicolons; cells that a spreadsheet would run as a formula are escaped."""
    buffer = io.StringIO()
    table = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    table.writerow(head)
    for row in rows:
        table.writerow([_escape_cell(cell) for cell in row])
    return (_BYTE_ORDER_MARK + buffer.getvalue()).encode()


def _escape_cell(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_PREFIXES) else cell
