"""Outcomes that handlers return for a message, and the errors behind them; messages are settled in shared.amqp only."""

from collections.abc import Mapping
from dataclasses import dataclass


class DependencyUnavailable(Exception):
    """Broker, database or Graph API is unreachable. The message is not the cause: wait and try again."""


class Unroutable(DependencyUnavailable):
    """No queue is bound for the routing key: the topology is missing. Run `kreisfunk migrate`."""


class InvalidDataError(Exception):
    """The database refuses a value, such as a number that is too large. Retrying does not help."""


@dataclass(frozen=True)
class Done:
    """Outcome: handled now or before; acknowledge."""


@dataclass(frozen=True)
class RetryLater:
    """Outcome: cannot be handled now; try again after about `seconds` (rounded up to a delay tier)."""

    seconds: float
    reason: str


@dataclass(frozen=True)
class Dead:
    """Outcome: can never be handled; store in the dead-letter queue with this reason (without personal data)."""

    reason: str


@dataclass(frozen=True)
class Rejected:
    """Outcome: rejected, with its publisher notified; store in the owner's quarantine with reason and `headers`.

    Neither contains personal data.
    """

    reason: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Separate:
    """Outcome: some messages of a group could not be handled; the rest is done.

    Each of the `parts`, by message id, is retried alone after about `seconds`, counting as another attempt. The reason
    contains no personal data.
    """

    parts: Mapping[str, bytes]
    seconds: float
    reason: str


Outcome = Done | RetryLater | Dead | Rejected | Separate
