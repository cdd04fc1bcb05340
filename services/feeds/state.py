"""State of one origin: known entries and alerts, and events that are not delivered yet."""

import hashlib
from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec import Raw, Struct

RETENTION = timedelta(days=400)


class EventDestination(StrEnum):
    """Destination of an event."""

    DIRECT = "direct"
    DRAFT = "draft"


class PendingEvent(Struct, frozen=True, kw_only=True):
    """An event stored before it is delivered, so that a kill neither loses nor doubles it."""

    way: EventDestination
    event: Raw


class KnownEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry already evaluated: `revision` 0 means never published, `seen` is its last day in the feed."""

    digest: str
    seen: date
    revision: int = 0


class PublishedWarning(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A warning that became a notice, with all its updates; `follow_ups` are notices to its recipients only."""

    subject: str
    topic: str
    headline: str
    urgent: bool
    seen: date
    said: str = ""
    way: EventDestination = EventDestination.DIRECT
    revision: int = 1
    follow_ups: tuple[str, ...] = ()
    over: bool = False


class OriginState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """State of one origin. `alerts` maps each known alert to the key of its warning, "" if it has none.

    The validators `etag` and `last_modified` belong to `address`.
    """

    polled: bool = False
    address: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    not_before: datetime | None = None
    failures: int = 0
    entries: dict[str, KnownEntry] = {}
    alerts: dict[str, tuple[date, str]] = {}
    warnings: dict[str, PublishedWarning] = {}
    pending: tuple[PendingEvent, ...] = ()

    def drop_old_entries(self, today: date) -> "OriginState":
        """Return a copy without everything that has not been seen for longer than RETENTION (400 days)."""
        oldest = today - RETENTION
        return msgspec.structs.replace(
            self,
            entries={key: known for key, known in self.entries.items() if known.seen >= oldest},
            alerts={key: seen for key, seen in self.alerts.items() if seen[0] >= oldest},
            warnings={key: warned for key, warned in self.warnings.items() if warned.seen >= oldest},
        )

    def with_pending(self, *pending: PendingEvent) -> "OriginState":
        return msgspec.structs.replace(self, pending=(*self.pending, *pending))


def hash_parts(*parts: str) -> str:
    """Return 80 bits of a hash: enough to distinguish the entries of a website."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()[:20]
