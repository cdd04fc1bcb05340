"""Feedback of citizens, as editors read and export it."""

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
    """Entry, which cannot be traced to a person; `at` is the full hour."""

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
    """Choice of entries; empty means all. `words` are looked for in what was written."""

    topic: str = ""
    kind: str = ""
    words: str = ""
    broadcast: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class FeedbackSummary:
    """Counts of the chosen entries."""

    total: int
    texts: int = 0
    good: int = 0
    bad: int = 0
    reactions: Mapping[str, int] = field(default_factory=dict)


_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"  # without it, Excel does not take the text for UTF-8
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


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
