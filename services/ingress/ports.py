"""What handling a webhook needs from outside."""

from enum import StrEnum
from typing import Protocol

from services.ingress.domain.findings import Ignored, ProblemKind
from services.ingress.domain.slices import Packed


class NotStored(Exception):
    """The broker has not confirmed, or too much waits already: whoever sent it has to send it again."""


class Result(StrEnum):
    """What became of a webhook."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    UNSIGNED = "unsigned"
    UNAVAILABLE = "unavailable"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    BUSY = "busy"
    ENCODED = "encoded"
    MALFORMED = "malformed"
    VANISHED = "vanished"


class Outbox(Protocol):
    """Where events go."""

    async def store(self, packed: Packed) -> None:
        """Return when all of them, if any, are on disk. Raises NotStored within three seconds."""


class Meter(Protocol):
    """What is counted."""

    def answered(self, result: Result) -> None: ...

    def answered_other(self, status: int) -> None: ...

    def ignored(self, reason: Ignored) -> None: ...

    def not_understood(self, kind: ProblemKind) -> None: ...
