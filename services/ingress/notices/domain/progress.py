"""Progress of a published event, and how each message about it changes that."""

from datetime import datetime
from enum import StrEnum
from functools import singledispatch
from uuid import UUID

import msgspec
from msgspec import Struct, field

from services.ingress.notices.domain.results import event_path
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    Euros,
    NoticeAccepted,
    NoticeAction,
    NoticeRejected,
    Problem,
)
from shared.contracts.message import Message, Moment

MAX_NOTICE_ID_LENGTH = 200


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
    `sending`, with recipients by state in `states`; at last `finished`, or `cancelled` with the reason. A withdrawal is
    `done` once it is in effect. `problems` in any other state concern the same id sent again with other content.
    `audience`, `costs` in euros, `duration_seconds` and `blockers` are those of the acceptance; later `audience` is the
    actual number, and `person_limited` of the waiting recipients wait because of Meta's limit of messages to one
    person.
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
    states: dict[str, int] = field(default_factory=dict)
    person_limited: int = 0
    costs: dict[str, Euros] = field(default_factory=dict)
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
    """The notices of a system in the last days, newest first, each by the last event about it.

    A withdrawal is `done`, with the topic and the headline of the withdrawn notice.
    """

    notices: tuple[EventProgress, ...]


def start_progress(source: str, identifier: str, notice: str, at: datetime) -> EventProgress:
    """Return the progress of an event that has just been received."""
    return EventProgress(
        event=event_path(source, identifier),
        source=source,
        id=identifier,
        notice=notice[:MAX_NOTICE_ID_LENGTH],
        state=EventState.RECEIVED,
        changed_at=at,
    )


@singledispatch
def apply_message(message: Message, before: EventProgress, at: datetime) -> EventProgress:
    """Return the progress after this message of the time `at`; most messages do not change it."""
    return before


@apply_message.register
def _(message: NoticeAccepted, before: EventProgress, at: datetime) -> EventProgress:
    """Apply an acceptance; a repeated one does not undo later progress."""
    fresh = before.state in (EventState.RECEIVED, EventState.REJECTED)
    return msgspec.structs.replace(
        before,
        state=_derive_state(message, at) if fresh else before.state,
        changed_at=at,
        action=message.action,
        revision=message.revision,
        broadcast=message.broadcast,
        audience=message.audience if fresh else before.audience,
        costs=message.costs,
        duration_seconds=message.duration_seconds,
        blockers=message.blockers,
        scheduled_at=message.scheduled_at,
        expires_at=message.expires_at,
        topic=message.topic,
        headline=message.headline,
        problems=(),
    )


def _derive_state(message: NoticeAccepted, at: datetime) -> EventState:
    if message.action is NoticeAction.WITHDRAWN:
        return EventState.DONE
    return (
        EventState.SCHEDULED if message.scheduled_at is not None and message.scheduled_at > at else EventState.ACCEPTED
    )


@apply_message.register
def _(message: NoticeRejected, before: EventProgress, at: datetime) -> EventProgress:
    state = EventState.REJECTED if before.state is EventState.RECEIVED else before.state
    return msgspec.structs.replace(before, state=state, problems=message.problems, changed_at=at)


@apply_message.register
def _(message: BroadcastStarted, before: EventProgress, at: datetime) -> EventProgress:
    waits = before.scheduled_at is not None and before.scheduled_at > at
    return before if waits else _move_to(before, EventState.SENDING, at)


@apply_message.register
def _(message: BroadcastProgressed, before: EventProgress, at: datetime) -> EventProgress:
    sent = msgspec.structs.replace(
        before, audience=message.audience, states=message.states, person_limited=message.person_limited
    )
    return _move_to(sent, EventState.SENDING, at)


@apply_message.register
def _(message: BroadcastFinished, before: EventProgress, at: datetime) -> EventProgress:
    sent = msgspec.structs.replace(before, audience=message.audience, states=message.states, person_limited=0)
    return _move_to(sent, EventState.FINISHED, at)


@apply_message.register
def _(message: BroadcastCancelled, before: EventProgress, at: datetime) -> EventProgress:
    return msgspec.structs.replace(_move_to(before, EventState.CANCELLED, at), reason=message.reason)


def _move_to(before: EventProgress, state: EventState, at: datetime) -> EventProgress:
    """Set the state unless the current one is final; figures may still change after that."""
    return msgspec.structs.replace(before, state=before.state if before.is_final else state, changed_at=at)
