"""Results of one attempt to send, and the ledger records that follow from them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.dispatcher.domain.errors import MAX_RETRY_SECONDS, ErrorAction, compute_retry_delay, find_error_rule
from services.dispatcher.domain.states import DeliveryState

# Delay of a message that was not sent because of our own state or the network, in seconds.
LOCAL_RETRY_DELAY_SECONDS = 1.0


@dataclass(frozen=True)
class Accepted:
    """Meta accepted the message; `message_id` is the wamid."""

    message_id: str


@dataclass(frozen=True)
class ErrorResponse:
    """Meta answered with an error. `retry_after` is in seconds."""

    code: int | None
    http_status: int
    retry_after: float | None = None


@dataclass(frozen=True)
class NotSent:
    """Nothing was sent to Meta: the claim was too old, or the service is stopping."""

    reason: str
    seconds: float = 0.0


@dataclass(frozen=True)
class ConnectedLate:
    """Nothing was sent: opening a connection took longer than the slot. The next message can use the connection."""


@dataclass(frozen=True)
class Unreachable:
    """Nothing was sent: no connection could be opened, or the address could not be decrypted."""

    reason: str
    seconds: float = LOCAL_RETRY_DELAY_SECONDS


@dataclass(frozen=True)
class ForeignResponse:
    """An answer not from Meta which shows that Meta did not get the message, such as a proxy's page."""

    http_status: int
    seconds: float = LOCAL_RETRY_DELAY_SECONDS


@dataclass(frozen=True)
class NoResponse:
    """The request was written and no answer from Meta arrived. Meta may have the message.

    `foreign` is set if something other than Meta answered.
    """

    reason: str
    foreign: bool = False


@dataclass(frozen=True)
class Expired:
    """The message expired between the claim and the request."""


SendResult = Accepted | ErrorResponse | NotSent | ConnectedLate | Unreachable | ForeignResponse | NoResponse | Expired


class Record(NamedTuple):
    """One change of a ledger row by the claim number `claim`; an outdated claim changes nothing.

    `due_at` is set exactly if the state is waiting; `attempted` is whether that counts as an attempt.
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
    """Return the record of a result. `attempt` counts from 1, `key` is the keyed hash of the wamid."""
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
        # The message itself is fine: it waits until sending or the template is resumed.
        return Record(delivery, claim, DeliveryState.WAITING, error_code=code, due_at=now, waits_for=rule.action)
    slower = rule.action is ErrorAction.SLOWER
    if attempt >= rule.attempts and not slower:
        return Record(delivery, claim, DeliveryState.FAILED, error_code=code)
    seconds = max(compute_retry_delay(rule, attempt, jitter), min(answer.retry_after or 0.0, MAX_RETRY_SECONDS))
    due_at = now + timedelta(seconds=seconds)
    record = Record(delivery, claim, DeliveryState.WAITING, error_code=code, due_at=due_at, waits_for=rule.action)
    return record._replace(attempted=not slower)
