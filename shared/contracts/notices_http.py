"""Paths, answers and errors of the notices API over HTTP, as its server and its clients know them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from msgspec import Struct

from shared.contracts.events import Euros, FailureCount, NoticeAction, Problem
from shared.contracts.message import Lane, Moment
from shared.contracts.notices import NoticeEvent, NoticePublished, NoticeUpdated, NoticeWithdrawn

PUBLISH_PATH, CHECK_PATH, EVENTS_PATH = "/notices", "/notices/check", "/events/"
STORED = 202
# Statuses of a final rejection; after any other answer, or none, the same event is sent again.
REJECTION_STATUSES = frozenset((400, 403, 413, 415, 422))
MAX_NOTICE_ID_LENGTH = 200
ACTIONS: Mapping[str, type[NoticeEvent]] = {
    "publish": NoticePublished,
    "update": NoticeUpdated,
    "withdraw": NoticeWithdrawn,
}


class FieldError(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Problem of one field, and the correct form; `event` is the index in a batch, from 0."""

    field: str
    problem: str
    event: int | None = None


class ProblemDetails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error. `type` links to its explanation; `errors` names each wrong field."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()


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
    costs: dict[str, Euros] = {}
    duration_seconds: int | None = None
    blockers: tuple[str, ...] = ()


class CheckResults(Struct, frozen=True, kw_only=True):
    """The same for a batch, in the order of the request."""

    events: tuple[CheckResult, ...]


class NoticeForecast(Struct, frozen=True, kw_only=True):
    """What a client reads of a check: with `problems`, the other fields may be empty."""

    audience: int | None = None
    costs: dict[str, Euros] = {}
    duration_seconds: int | None = None
    blockers: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


class EventState(StrEnum):
    """State of an event."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    DONE = "done"


FINAL_STATES = frozenset((EventState.REJECTED, EventState.FINISHED, EventState.CANCELLED, EventState.DONE))


class EventProgress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Progress of an event so far.

    First `received`; then `accepted` or `rejected`, with the reasons in `problems`; `scheduled` until its start;
    `sending`, with recipients by state in `states`; finally `finished`, or `cancelled` with the reason. A withdrawal is
    `done` once it is in effect. `problems` in any other state concern the same id sent again with other content.
    `audience`, `costs` in euros, `duration_seconds` and `blockers` are those of the acceptance; later `audience` is the
    actual number, and `person_limited` of the waiting recipients wait because of Meta's limit of messages to one
    person. `failures` are the failed ones by reason.
    """

    event: str
    source: str
    id: str
    notice: str
    state: EventState
    changed_at: Moment
    action: NoticeAction | None = None
    revision: int | None = None
    broadcast: UUID | None = None
    audience: int | None = None
    states: dict[str, int] = {}
    person_limited: int = 0
    failures: tuple[FailureCount, ...] = ()
    costs: dict[str, Euros] = {}
    duration_seconds: int | None = None
    blockers: tuple[str, ...] = ()
    scheduled_at: Moment | None = None
    expires_at: Moment | None = None
    topic: str | None = None
    headline: str | None = None
    reason: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES


class NoticeList(Struct, frozen=True, kw_only=True):
    """The notices of a system in the last days, newest first, each with the latest event about it.

    A withdrawal is `done`, with the topic and the headline of the withdrawn notice.
    """

    notices: tuple[EventProgress, ...]


def event_key(source: str, event_id: str) -> str:
    """Return the name of an event in URLs: opaque, and the same each time."""
    first = source.encode()
    return sha256(len(first).to_bytes(4, "big") + first + event_id.encode()).hexdigest()[:32]


def event_path(source: str, event_id: str) -> str:
    return EVENTS_PATH + event_key(source, event_id)


def start_progress(source: str, identifier: str, notice: str, time: datetime) -> EventProgress:
    """Return the progress of an event that has just been received."""
    return EventProgress(
        event=event_path(source, identifier),
        source=source,
        id=identifier,
        notice=notice[:MAX_NOTICE_ID_LENGTH],
        state=EventState.RECEIVED,
        changed_at=time,
    )
