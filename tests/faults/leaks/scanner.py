"""Scanner of bytes that arrive in pieces. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.leaks.pii_patterns import PatternGroup, PatternLabel, PiiKind


@dataclass(frozen=True)
class Leak:
    """A place with personal data, but never the data: `at` is a column, a line or a part of a message."""

    where: str
    kind: str
    form: str
    times: int
    at: str = ""


@dataclass
class PatternScanner:
    """Scanner of one place, to be fed all its pieces; a match across two pieces is found, and counted once."""

    groups: Sequence[PatternGroup]
    found: Counter[PatternLabel] = field(default_factory=Counter)
    first_line: int | None = None
    _rest: bytes = b""
    _lines: int = 1

    def feed(self, piece: bytes) -> None:
        data, old = self._rest + piece, len(self._rest)
        for group in self.groups:
            for position, length in _find_hits(group, data):
                if position + length > old:
                    self._note(group.label, data, position)
        overlap = max((group.longest for group in self.groups), default=1) - 1
        self._lines += data.count(b"\n", 0, max(0, len(data) - overlap))
        self._rest = data[-overlap:] if overlap else b""

    def _note(self, label: PatternLabel, data: bytes, position: int) -> None:
        self.found[label] += 1
        line = self._lines + data.count(b"\n", 0, position)
        self.first_line = line if self.first_line is None else min(line, self.first_line)

    def list_leaks(self, where: str, *, at: str = "") -> list[Leak]:
        counts = sorted(self.found.items())
        return [Leak(where, label.kind.value, label.form, times, at) for label, times in counts]


def exclude_kinds(groups: Sequence[PatternGroup], kinds: Collection[PiiKind]) -> list[PatternGroup]:
    """Return the groups to search for where these kinds are allowed."""
    return [group for group in groups if group.label.kind not in kinds]


def _find_hits(group: PatternGroup, data: bytes) -> Iterator[tuple[int, int]]:
    """Yield position and length of each match, at most one per position."""
    position = data.find(group.prefix)
    while position >= 0:
        for length, patterns in group.patterns.items():
            if data[position : position + length] in patterns:
                yield position, length
                break
        position = data.find(group.prefix, position + 1)
