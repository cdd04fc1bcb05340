"""What a handler says about a message; settling is done elsewhere, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass


class DependencyUnavailable(Exception):
    """Broker, database or Graph API cannot be reached. Nothing is wrong with the message: wait, try again."""


class Unroutable(Exception):
    """No queue is bound for this key: the topology is missing. Run `kreisfunk migrate`."""


class InvalidDataError(Exception):
    """The database refuses a value, such as a number that is too large. Repeating does not help."""


@dataclass(frozen=True)
class Done:
    """Handled, or known to be handled: acknowledge."""


@dataclass(frozen=True)
class RetryLater:
    """Cannot be handled now; try again after about `seconds` (rounded up to a delay tier)."""

    seconds: float
    reason: str


@dataclass(frozen=True)
class Dead:
    """Can never be handled: keep it in the dead-letter queue with this reason (no personal data in it)."""

    reason: str


@dataclass(frozen=True)
class Rejected:
    """Somebody else's mistake, and they were told: keep it in the owner's quarantine with this reason and `headers`.

    No personal data in either.
    """

    reason: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Separate:
    """Some of a group could not be handled: each of these `parts`, by message id, comes again alone after about
    `seconds`, counting as another attempt. The rest is done. No personal data in the reason.
    """

    parts: Mapping[str, bytes]
    seconds: float
    reason: str


Outcome = Done | RetryLater | Dead | Rejected | Separate
