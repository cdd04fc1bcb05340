"""Public archive of sent notices, by topic and municipality, and the short code that proves their origin."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

# Crockford's alphabet: no letter looks or sounds like a digit, and misread characters are corrected.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans("OIL", "011", " -‐‑‒–—\u00a0")
CODE_LENGTH = 8
# Not followed by a space: a field for one line drops the line breaks of what is pasted.
_IN_MESSAGE = re.compile(r"prüfcode:\s*([0-9a-z]{4}-[0-9a-z]{4})", re.IGNORECASE)


class EntryState(StrEnum):
    """State of an entry at a given time."""

    CURRENT = "current"
    EXPIRED = "expired"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, kw_only=True)
class ArchiveEntry:
    """One revision of a notice as published; `replaced_by` is the number of the next revision."""

    code: str
    notice: str
    revision: int
    topic: str
    municipalities: tuple[str, ...] = ()
    headline: str
    text: str
    link: str | None = None
    picture: str | None = None
    urgent: bool = False
    published_at: datetime
    expires_at: datetime
    replaced_by: int | None = None
    withdrawn_at: datetime | None = None

    def get_state(self, now: datetime) -> EntryState:
        if self.withdrawn_at:
            return EntryState.WITHDRAWN
        if self.replaced_by:
            return EntryState.REPLACED
        return EntryState.CURRENT if now < self.expires_at else EntryState.EXPIRED

    @property
    def changed_at(self) -> datetime:
        return self.withdrawn_at or self.published_at


@dataclass(frozen=True, kw_only=True)
class ArchiveSelection:
    """Filter of entries; None means all."""

    topic: str | None = None
    municipality: str | None = None

    def contains(self, entry: ArchiveEntry) -> bool:
        """Return whether the entry matches; one without municipalities is about all of them."""
        concerned = not entry.municipalities or self.municipality in entry.municipalities
        return self.topic in (None, entry.topic) and (self.municipality is None or concerned)


class Archive:
    """All entries, newest first, with their states as of `now`."""

    def __init__(self, entries: Sequence[ArchiveEntry], now: datetime) -> None:
        self.now = now
        self.entries = sorted(entries, key=lambda entry: (entry.published_at, entry.code), reverse=True)
        self._by_code = {entry.code: entry for entry in self.entries}
        # Oldest last in `entries`, so that the first revision wins.
        self._origins = {entry.notice: entry.code for entry in self.entries}
        expiries = (entry.expires_at for entry in self.entries if entry.get_state(now) is EntryState.CURRENT)
        self.changes_at = min(expiries, default=None)

    def find(self, code: str) -> ArchiveEntry | None:
        return self._by_code.get(code)

    def find_newest(self, entry: ArchiveEntry) -> ArchiveEntry | None:
        """Return the unreplaced revision of the notice; None if another system published it."""
        unreplaced = (each for each in self.entries if each.notice == entry.notice and not each.replaced_by)
        return next(unreplaced, None)

    def get_origin(self, entry: ArchiveEntry) -> str:
        """Return the code of the first revision, which identifies the notice in feeds."""
        return self._origins[entry.notice]

    def get_state(self, entry: ArchiveEntry) -> EntryState:
        return entry.get_state(self.now)

    def select(self, selection: ArchiveSelection) -> list[ArchiveEntry]:
        """Return the matching entries, newest first, each notice only in its newest revision."""
        return [entry for entry in self.entries if not entry.replaced_by and selection.contains(entry)]

    def count_current(self) -> Mapping[str, int]:
        return Counter(entry.topic for entry in self.entries if self.get_state(entry) is EntryState.CURRENT)


def derive_code(publication: UUID) -> str:
    """Derive the short code of a publication: 40 bits of a hash; no code reveals another."""
    number = int.from_bytes(hashlib.sha256(b"archive code" + publication.bytes).digest()[:5])
    return "".join(_ALPHABET[number >> 5 * index & 31] for index in range(CODE_LENGTH))


def format_code(code: str) -> str:
    """Format the code for people, such as `K7M2-Q9TX`."""
    return f"{code[: CODE_LENGTH // 2]}-{code[CODE_LENGTH // 2 :]}"


def normalize_code(text: str) -> str | None:
    """Return a typed code, or the last of a pasted message, in its stored form; None if it cannot be a code."""
    codes = _IN_MESSAGE.findall(text)
    letters = (codes[-1] if codes else text).strip().upper().translate(_MISREAD)
    return letters if len(letters) == CODE_LENGTH and set(letters) <= set(_ALPHABET) else None
