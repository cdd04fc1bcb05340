"""What is known of one origin: it decides what is new, and holds what is not delivered yet."""

import hashlib
from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec import Raw, Struct

RETENTION = timedelta(days=400)


class EventDestination(StrEnum):
    """Where an event goes."""

    DIRECT = "door"
    DRAFT = "draft"


class PendingEvent(Struct, frozen=True, kw_only=True):
    """An event that was decided on and stored before anybody was told, so that a kill makes it neither two nor none."""

    way: EventDestination
    event: Raw


class KnownEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry that was looked at: `revision` 0 was never published, `seen` is its last day in the feed."""

    digest: str
    seen: date
    revision: int = 0


class PublishedWarning(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A warning that became a notice, through all its updates; `follow_ups` are notices to those who got it."""

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
    """All of one origin. `alerts` leads from each alert that was looked at to its warning's key; empty: none.

    The validators `etag` and `last_modified` are of `address`.
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
        """Without what has not been seen for more than a year."""
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
    """80 bits: enough to tell the entries of a website apart."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()[:20]
