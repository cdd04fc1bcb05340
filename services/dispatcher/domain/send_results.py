"""What came of one attempt to send, and what the ledger is to record of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.dispatcher.domain.errors import MAX_RETRY_SECONDS, ErrorAction, compute_retry_delay, find_error_rule
from services.dispatcher.domain.states import DeliveryState

# What is not sent for a reason of ours or of the network's waits so long, in seconds.
LOCAL_RETRY_DELAY_SECONDS = 1.0


@dataclass(frozen=True)
class Accepted:
    """Meta took the message; `message_id` is the wamid."""

    message_id: str


@dataclass(frozen=True)
class ErrorResponse:
    """Meta answered with an error. `retry_after` is in seconds."""

    code: int | None
    http_status: int
    retry_after: float | None = None


@dataclass(frozen=True)
class NotSent:
    """Nothing was written to Meta: the claim was too old, or we are stopping."""

    reason: str
    seconds: float = 0.0


@dataclass(frozen=True)
class ConnectedLate:
    """Nothing was written: a connection had to be opened, and its slot was over. The next message can use it."""


@dataclass(frozen=True)
class Unreachable:
    """Nothing was written: no connection could be opened, or we cannot decrypt the address."""

    reason: str
    seconds: float = LOCAL_RETRY_DELAY_SECONDS


@dataclass(frozen=True)
class ForeignResponse:
    """An answer that is not Meta's and shows that Meta does not have the message, such as a proxy's page."""

    http_status: int
    seconds: float = LOCAL_RETRY_DELAY_SECONDS


@dataclass(frozen=True)
class NoResponse:
    """The request was written and no answer of Meta's came. Meta may have the message.

    `foreign` is set if something else answered.
    """

    reason: str
    foreign: bool = False


@dataclass(frozen=True)
class Expired:
    """The moment to send had passed between the claim and the request."""


SendResult = Accepted | ErrorResponse | NotSent | ConnectedLate | Unreachable | ForeignResponse | NoResponse | Expired


class Record(NamedTuple):
    """One change of one ledger row by the claim with this number; an older one changes nothing.

    `due_at` is set exactly if the state is waiting; `attempted` whether that counts as an attempt.
    """

    delivery: UUID
    claim: int
    state: DeliveryState
    message_key: bytes | None = None
    error_code: int | None = None
    due_at: datetime | None = None
    waits_for: str | None = None
    attempted: bool = False


def build_record(
    delivery: UUID,
    answer: SendResult,
    *,
    claim: int,
    attempt: int,
    now: datetime,
    jitter: float,
    key: bytes | None = None,
) -> Record:
    """Return what to record. `attempt` counts from 1, `key` is the keyed hash of the wamid."""
    match answer:
        case Accepted():
            return Record(delivery, claim, DeliveryState.ACCEPTED, message_key=key)
        case NoResponse():
            return Record(delivery, claim, DeliveryState.UNKNOWN)
        case Expired():
            return Record(delivery, claim, DeliveryState.EXPIRED)
        case ErrorResponse():
            return _record_error(delivery, answer, claim=claim, attempt=attempt, now=now, jitter=jitter)
        case NotSent(_, seconds) | Unreachable(_, seconds) | ForeignResponse(_, seconds):
            due_at = now + timedelta(seconds=seconds)
        case ConnectedLate():
            due_at = now
    return Record(delivery, claim, DeliveryState.WAITING, due_at=due_at, waits_for="rate")


def _record_error(
    delivery: UUID, answer: ErrorResponse, *, claim: int, attempt: int, now: datetime, jitter: float
) -> Record:
    rule = find_error_rule(answer.code, answer.http_status)
    code = answer.code if answer.code is not None else answer.http_status
    if rule.action in (ErrorAction.SENDER, ErrorAction.TEMPLATE):
        # Nothing is wrong with this message. The sender or the template is held: it waits for its next turn.
        return Record(delivery, claim, DeliveryState.WAITING, error_code=code, due_at=now, waits_for=rule.action)
    slower = rule.action is ErrorAction.SLOWER
    if attempt >= rule.attempts and not slower:
        return Record(delivery, claim, DeliveryState.FAILED, error_code=code)
    seconds = max(compute_retry_delay(rule, attempt, jitter), min(answer.retry_after or 0.0, MAX_RETRY_SECONDS))
    due_at = now + timedelta(seconds=seconds)
    return Record(
        delivery,
        claim,
        DeliveryState.WAITING,
        error_code=code,
        due_at=due_at,
        waits_for=rule.action,
        attempted=not slower,
    )
