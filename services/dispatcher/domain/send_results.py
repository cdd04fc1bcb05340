"""Results of one attempt to send, and the ledger records that follow from them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from services.dispatcher.domain.errors import MAX_RETRY_SECONDS, ErrorAction, compute_retry_delay, find_error_rule
from services.dispatcher.domain.states import DeliveryState


@dataclass(frozen=True)
class Accepted:
    """Meta accepted the message; `message_id` is the wamid."""

    message_id: str


@dataclass(frozen=True)
class ErrorResponse:
    """Meta answered with an error. `retry_after` is in seconds."""

    code: int
    http_status: int
    retry_after: float | None = None


@dataclass(frozen=True)
class NotSent:
    """Nothing was sent: the claim was too old, sending is paused, or the service is stopping."""


@dataclass(frozen=True)
class ConnectedLate:
    """Nothing was sent: opening a connection took longer than the slot. The next message can use the connection."""


@dataclass(frozen=True)
class Unreachable:
    """Meta did not get the message: no connection could be opened, or the address could not be decrypted.

    It is due again after `seconds`. `foreign` is set if something else answered, such as a proxy.
    """

    reason: str
    seconds: float = 1.0
    foreign: bool = False


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


SendResult = Accepted | ErrorResponse | NotSent | ConnectedLate | Unreachable | NoResponse | Expired


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
    templated: bool = True,
) -> Record:
    """Return the record of a result. `attempt` counts from 1, `key` is the keyed hash of the wamid."""
    record = partial(Record, delivery, claim)
    match answer:
        case Accepted():
            return record(DeliveryState.ACCEPTED, message_key=key)
        case NoResponse():
            return record(DeliveryState.UNKNOWN)
        case Expired():
            return record(DeliveryState.EXPIRED)
        case ErrorResponse():
            return _record_error(record, answer, attempt=attempt, now=now, jitter=jitter, templated=templated)
        case NotSent() | ConnectedLate():
            seconds = 0.0
        case Unreachable(_, seconds):
            pass
    return record(DeliveryState.WAITING, due_at=now + timedelta(seconds=seconds), waits_for="rate")


def _record_error(
    record: Callable[..., Record], answer: ErrorResponse, *, attempt: int, now: datetime, jitter: float, templated: bool
) -> Record:
    rule, record = find_error_rule(answer.code, answer.http_status), partial(record, error_code=answer.code)
    if rule.action is ErrorAction.SENDER or (rule.action is ErrorAction.TEMPLATE and templated):
        # The message itself is fine: it waits until sending or the template is resumed.
        return record(DeliveryState.WAITING, due_at=now, waits_for=rule.action)
    slower = rule.action is ErrorAction.SLOWER
    if attempt >= rule.attempts and not slower:
        return record(DeliveryState.FAILED)
    seconds = max(compute_retry_delay(rule, attempt, jitter), min(answer.retry_after or 0.0, MAX_RETRY_SECONDS))
    due_at = now + timedelta(seconds=seconds)
    return record(DeliveryState.WAITING, due_at=due_at, waits_for=rule.action, attempted=not slower)
