"""The annexes of the data protection page, as data."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tools.docs.generate import PRIVACY

PAGE = PRIVACY.read_text()
_TABLE = re.compile(r"^### `(?P<table>\w+\.\w+)`\n(?P<rest>.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_GROUP = re.compile(
    r"^- \*\*(?P<kind>[^*]+)\*\* \((?P<readers>[A-Z ]+)\): (?P<columns>.+?)(?=^- |\Z)", re.MULTILINE | re.DOTALL
)
_COLUMN = re.compile(r"`(\w+)` (.+?)(?=; `\w+` |$)")
# The role of each letter.
READERS = {
    "S": "kreisfunk_subscriptions",
    "D": "kreisfunk_dispatcher",
    "A": "kreisfunk_monitor",
    "B": "kreisfunk_operator",
    "R": "kreisfunk_newsroom",
    "W": "kreisfunk_rotation",
}
SEALED, HASHED, SAID, ABOUT, NOBODY = "versiegelt", "Hashwert", "Wortlaut", "pseudonym", "ohne Personenbezug"
STAFF = "Beschäftigte"
KINDS = {SEALED, HASHED, SAID, ABOUT, STAFF, NOBODY}


class PrivacyColumn(NamedTuple):
    """A column in annex 1; `readers` are database roles."""

    holds: str
    kind: str
    readers: frozenset[str]


class PrivacyRole(NamedTuple):
    """A row of annex 2."""

    letter: str
    addresses: str
    hashes: str
    opens: str


def read_columns() -> Mapping[tuple[str, str], PrivacyColumn]:
    """Return the columns by table, with its schema, and name."""
    return {
        (match["table"], name): column
        for match in _TABLE.finditer(PAGE)
        for name, column in _read_groups(match["rest"])
    }


def read_roles() -> Mapping[str, PrivacyRole]:
    """Return the database roles by name."""
    rows = (row for row in _read_cells(PAGE) if len(row) == 6 and row[0] in READERS)
    return {row[1].strip("`"): PrivacyRole(row[0], *row[3:]) for row in rows}


def _read_groups(text: str) -> Iterator[tuple[str, PrivacyColumn]]:
    for group in _GROUP.finditer(text):
        readers = frozenset(READERS[letter] for letter in group["readers"].split())
        for name, holds in _COLUMN.findall(" ".join(group["columns"].split())):
            yield name, PrivacyColumn(holds, group["kind"], readers)


def _read_cells(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split("|")]
