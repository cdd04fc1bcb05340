"""Answers to published and checked notices."""

from datetime import datetime
from hashlib import sha256

from msgspec import Struct, field

from shared.contracts.events import Euros
from shared.contracts.message import Lane

EVENTS_PATH = "/events/"


class PublishResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The broker has this event. `event` is where to follow what becomes of it."""

    event: str
    source: str
    id: str
    notice: str


class PublishResults(Struct, frozen=True, kw_only=True):
    """The broker has these events, in the order of the request."""

    events: tuple[PublishResult, ...]


class CheckResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What would become of this event; nothing was published.

    `begins_at` is missing for what goes at once. `audience`, `costs` in euros and `duration_seconds` are expected as of
    now; each is missing where it is not known. `blockers` say in words what delays or stops it.
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
