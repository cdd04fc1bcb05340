"""What handling a webhook needs from outside."""

from enum import StrEnum
from typing import Protocol

from services.ingress.domain.chunks import EncodedEvents
from services.ingress.domain.findings import Ignored, ProblemKind


class NotStored(Exception):
    """The broker has not confirmed, or too much waits already: whoever sent it has to send it again."""


class WebhookResult(StrEnum):
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

    async def store(self, packed: EncodedEvents) -> None:
        """Return when all of them, if any, are on disk. Raises NotStored within three seconds."""


class WebhookMeter(Protocol):
    """What is counted."""

    def count_webhook(self, result: WebhookResult) -> None: ...

    def count_other_request(self, status: int) -> None: ...

    def count_ignored(self, reason: Ignored) -> None: ...

    def count_problem(self, kind: ProblemKind) -> None: ...
