"""Ports of the webhook handlers."""

from enum import StrEnum
from typing import Protocol

from services.ingress.domain.chunks import EncodedEvents
from services.ingress.domain.findings import Ignored, ProblemKind


class NotStored(Exception):
    """Error: the broker has not confirmed, or too much is already waiting; the client has to send the webhook again."""


class WebhookResult(StrEnum):
    """Result of handling a webhook."""

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
    """Durable store for the events of a webhook."""

    async def store(self, packed: EncodedEvents) -> None:
        """Return when all events, if any, are on disk. Raises NotStored within three seconds."""


class WebhookMeter(Protocol):
    """Counters of the webhook handlers."""

    def count_webhook(self, result: WebhookResult) -> None: ...

    def count_other_request(self, status: int) -> None: ...

    def count_ignored(self, reason: Ignored) -> None: ...

    def count_problem(self, kind: ProblemKind) -> None: ...
