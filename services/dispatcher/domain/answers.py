"""What came of one attempt to send, and what the ledger is to record of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.dispatcher.domain.errors import Remedy, pause_seconds, rule_for
from services.dispatcher.domain.states import State


@dataclass(frozen=True)
class Accepted:
    """Meta took the message; `message_id` is the wamid."""

    message_id: str


@dataclass(frozen=True)
class Refused:
    """Meta answered with an error. `retry_after` is in seconds."""

    code: int | None
    http_status: int
    retry_after: float | None = None


@dataclass(frozen=True)
class NotSent:
    """Nothing was written to Meta: the connection failed before, the slot was missed, or we are stopping."""

    reason: str
    seconds: float = 0.0


@dataclass(frozen=True)
class NoAnswer:
    """The request was written and no answer came. Meta may have the message."""

    reason: str


@dataclass(frozen=True)
class Expired:
    """The moment to send had passed between the claim and the request."""


Answer = Accepted | Refused | NotSent | NoAnswer | Expired


@dataclass(frozen=True)
class Record:
    """One change of one ledger row, by its attempt number `attempt`.

    `due_at` is set exactly if the state is waiting; `attempted` whether that counts as an attempt.
    """

    delivery: UUID
    attempt: int
    state: State
    message_key: bytes | None = None
    error_code: int | None = None
    due_at: datetime | None = None
    waits_for: str | None = None
    attempted: bool = True


def record_of(
    delivery: UUID, answer: Answer, *, attempt: int, now: datetime, jitter: float, key: bytes | None = None
) -> Record:
    """What to record. `attempt` counts from 1, `key` is the keyed hash of the wamid."""
    match answer:
        case Accepted():
            return Record(delivery, attempt, State.ACCEPTED, message_key=key)
        case NoAnswer():
            return Record(delivery, attempt, State.UNKNOWN)
        case Expired():
            return Record(delivery, attempt, State.EXPIRED)
        case NotSent(_, seconds):
            return Record(delivery, attempt, State.WAITING, due_at=now + timedelta(seconds=seconds), attempted=False)
        case Refused():
            return _refused(delivery, answer, attempt=attempt, now=now, jitter=jitter)


def _refused(delivery: UUID, answer: Refused, *, attempt: int, now: datetime, jitter: float) -> Record:
    rule = rule_for(answer.code, answer.http_status)
    code = answer.code if answer.code is not None else answer.http_status
    if rule.remedy in (Remedy.SENDER, Remedy.TEMPLATE):
        # Nothing is wrong with this message. The sender or the template is held: it waits for its next turn.
        return Record(
            delivery, attempt, State.WAITING, error_code=code, due_at=now, waits_for=rule.remedy, attempted=False
        )
    slower = rule.remedy is Remedy.SLOWER
    if attempt >= rule.attempts and not slower:
        return Record(delivery, attempt, State.FAILED, error_code=code)
    seconds = max(pause_seconds(rule, attempt, jitter), answer.retry_after or 0.0)
    due_at = now + timedelta(seconds=seconds)
    return Record(
        delivery,
        attempt,
        State.WAITING,
        error_code=code,
        due_at=due_at,
        waits_for=rule.remedy,
        attempted=not slower,
    )
