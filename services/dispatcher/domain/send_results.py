"""Results of one attempt to send, and the ledger records that follow from them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from services.dispatcher.domain import errors
from services.dispatcher.domain.errors import ErrorAction, ErrorRule
from services.dispatcher.domain.states import DeliveryState

# Another replica may be able to send a message refused here; if all others are accepted, only a person can help.
REFUSED_SECONDS, ISOLATED_REFUSAL_SECONDS = 5.0, 30.0


@dataclass(frozen=True)
class Accepted:
    """Meta accepted the message; `message_id` is the wamid."""

    message_id: str


@dataclass(frozen=True)
class ErrorResponse:
    """Meta answered with an error. `retry_after` is in seconds; `isolated` marks a code about one message only."""

    code: int
    http_status: int
    retry_after: float | None = None
    isolated: bool = False

    @property
    def rule(self) -> ErrorRule:
        return errors.ISOLATED_REFUSAL if self.isolated else errors.find_error_rule(self.code, self.http_status)


@dataclass(frozen=True)
class NotSent:
    """Nothing was sent: the claim was too old, sending is paused, or the service is stopping."""


@dataclass(frozen=True)
class ConnectedLate:
    """Nothing was sent: opening a connection took longer than the slot. The next message can use the connection."""


@dataclass(frozen=True)
class Unreachable:
    """Meta did not get the message: no connection could be opened."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """Meta did not get the message: something else refused it, such as a proxy (`foreign`), or we cannot decrypt it.

    It is soon due again, for a replica that can send it. `isolated` is set if others are accepted meanwhile.
    """

    reason: str
    foreign: bool = False
    isolated: bool = False


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


SendResult = Accepted | ErrorResponse | NotSent | ConnectedLate | Unreachable | Refused | NoResponse | Expired


class Record(NamedTuple):
    """One change of a ledger row by the claim number `claim`; an outdated claim changes nothing.

    `due_at` is set if and only if the state is waiting; `attempted` is whether that counts as an attempt.
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
    record: Callable[..., Record], answer: SendResult, *, attempt: int, now: datetime, jitter: float, templated: bool
) -> Record:
    """Return the record of a result; `record` knows the claim and the key of the message. `attempt` counts from 1."""
    match answer:
        case Accepted():
            return record(DeliveryState.ACCEPTED)
        case NoResponse():
            return record(DeliveryState.UNKNOWN)
        case Expired():
            return record(DeliveryState.EXPIRED)
        case ErrorResponse():
            return _record_error(record, answer, attempt=attempt, now=now, jitter=jitter, templated=templated)
        case NotSent() | ConnectedLate():
            seconds = 0.0
        case Unreachable():
            seconds = 1.0
        case Refused():
            seconds = ISOLATED_REFUSAL_SECONDS if answer.isolated else REFUSED_SECONDS
    return record(DeliveryState.WAITING, due_at=now + timedelta(seconds=seconds), waits_for="rate")


def _record_error(
    record: Callable[..., Record], answer: ErrorResponse, *, attempt: int, now: datetime, jitter: float, templated: bool
) -> Record:
    rule, record = answer.rule, partial(record, error_code=answer.code)
    is_exempt = rule.action in errors.WAITING_ACTIONS and (templated or rule.action is not ErrorAction.TEMPLATE)
    if attempt >= rule.attempts and not is_exempt:
        return record(DeliveryState.FAILED)
    min_delay = min(answer.retry_after or 0.0, errors.MAX_RETRY_SECONDS)
    due_at = now + timedelta(seconds=max(min_delay, errors.compute_retry_delay(rule, attempt, jitter)))
    return record(DeliveryState.WAITING, due_at=due_at, waits_for=rule.action, attempted=not is_exempt)
