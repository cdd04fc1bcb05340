"""State of one origin: its known entries and alerts, and pending events."""

import hashlib
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from services.feeds.configuration import Mode
from shared.contracts.envelope import read_envelope

RETENTION = timedelta(days=400)
MAX_KNOWN = 10_000
Known = TypeVar("Known")


class NoticeStatus(StrEnum):
    """Status of the first revision of a notice.

    `unsent` is a waiting or dropped draft, `expired` an expired event without an answer, which may yet be rejected.
    """

    SENT = "sent"
    UNSENT = "unsent"
    EXPIRED = "expired"
    REJECTED = "rejected"


class PendingEvent(Struct, frozen=True, kw_only=True):
    """An event stored before its delivery, so that a crash neither loses nor duplicates it."""

    way: Mode
    event: Raw


class KnownEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry already evaluated: `revision` 0 means never published, `seen` is its last day in the feed.

    `broken_since` is the time at which a link to an alert first led to something else.
    """

    digest: str
    seen: date
    revision: int = 0
    broken_since: datetime | None = None


class PublishedWarning(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A warning that became a notice, with all its updates; `follow_ups` are notices to its recipients only.

    `said` is the hash of its description. `lapsed` means over because of an expired update: its recipients were not
    notified, and a cancellation may follow.
    """

    subject: str
    topic: str
    headline: str
    urgent: bool
    seen: date
    said: str = ""
    way: Mode = Mode.DIRECT
    revision: int = 1
    follow_ups: tuple[str, ...] = ()
    over: bool = False
    lapsed: bool = False

    def is_first(self, pending: PendingEvent) -> bool:
        """Return whether the event is the first revision of the notice."""
        return read_envelope(bytes(pending.event)).id == f"{self.subject}:1"


class OriginState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """State of one origin. `alerts` maps each known alert to its last day and the key of its warning, "" if none.

    `overtaken` are alerts known only from a later alert that refers to them; their warning is that of the later one.
    `entries`, `alerts` and `warnings` are ordered by when they were last seen; `forgot` is the last day on which an
    entry was dropped because there were too many. The validators `etag` and `last_modified` belong to `address`.
    """

    polled: bool = False
    address: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    not_before: datetime | None = None
    failures: int = 0
    forgot: date | None = None
    entries: dict[str, KnownEntry] = {}
    alerts: dict[str, tuple[date, str]] = {}
    warnings: dict[str, PublishedWarning] = {}
    overtaken: frozenset[str] = frozenset()
    pending: tuple[PendingEvent, ...] = ()

    def drop_old_entries(self, today: date, current: int) -> "OriginState":
        """Return a copy without items not seen for RETENTION, and without the oldest beyond MAX_KNOWN.

        `current` is the number of entries or alerts in this poll, which are the newest and all kept.
        """
        oldest, limit = today - RETENTION, MAX_KNOWN + current
        recent = {key: known for key, known in self.entries.items() if known.seen >= oldest}
        alerts = _keep_last({key: value for key, value in self.alerts.items() if value[0] >= oldest}, limit)
        warnings = {key: warning for key, warning in self.warnings.items() if warning.seen >= oldest}
        entries = _keep_last(recent, limit)
        forgot = self.forgot if self.forgot is not None and self.forgot >= oldest else None
        return msgspec.structs.replace(
            self,
            entries=entries,
            alerts=alerts,
            overtaken=self.overtaken.intersection(alerts),
            warnings=_keep_last(dict(sorted(warnings.items(), key=lambda pair: not pair[1].over)), limit),
            forgot=today if len(entries) < len(recent) else forgot,
        )

    def with_pending(self, way: Mode, event: bytes) -> "OriginState":
        pending = PendingEvent(way=way, event=Raw(event))
        return msgspec.structs.replace(self, pending=(*self.pending, pending))


def put_last(known: dict[str, Known], key: str, value: Known) -> None:
    """Store the value as the most recently seen one."""
    known.pop(key, None)
    known[key] = value


def _keep_last(known: dict[str, Known], limit: int) -> dict[str, Known]:
    return dict(islice(known.items(), max(0, len(known) - limit), None))


def hash_parts(*parts: str) -> str:
    """Return 80 bits of a hash: enough to distinguish the entries of a website."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()[:20]
