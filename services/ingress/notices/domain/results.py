"""Answers to published and checked notices."""

from datetime import datetime
from hashlib import sha256

from msgspec import Struct, field

from shared.contracts.events import Euros
from shared.contracts.message import Lane

EVENTS_PATH = "/events/"


class PublishResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The broker has stored this event; `event` is the path to follow its progress."""

    event: str
    source: str
    id: str
    notice: str


class PublishResults(Struct, frozen=True, kw_only=True):
    """The broker has stored these events, in the order of the request."""

    events: tuple[PublishResult, ...]


class CheckResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Expected result of this event; nothing was published.

    `begins_at` is missing if it is sent at once. `audience`, `costs` in euros and `duration_seconds` are current
    estimates; each is missing if unknown. `blockers` describe what delays or stops the event.
    """

    event: str
    source: str
    id: str
    notice: str
    action: str
    topic: str | None = None
    lane: Lane | None = None
    begins_at: datetime | None = None
    expires_at: datetime | None = None
    revision: int | None = None
    audience: int | None = None
    costs: dict[str, Euros] = field(default_factory=dict)
    duration_seconds: int | None = None
    blockers: tuple[str, ...] = ()


class CheckResults(Struct, frozen=True, kw_only=True):
    """The same for a batch, in the order of the request."""

    events: tuple[CheckResult, ...]


def event_key(source: str, event_id: str) -> str:
    """Return the name of an event in URLs: opaque, and the same each time."""
    first = source.encode()
    return sha256(len(first).to_bytes(4, "big") + first + event_id.encode()).hexdigest()[:32]


def event_path(source: str, event_id: str) -> str:
    return EVENTS_PATH + event_key(source, event_id)
