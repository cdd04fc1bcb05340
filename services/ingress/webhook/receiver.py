"""Webhook handling: verify the signature, parse, store, and only then acknowledge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from services.ingress.webhook.addresses import Rules
from services.ingress.webhook.events import EncodedEvents, Ignored, ParsedWebhook, ProblemKind, encode_events
from services.ingress.webhook.quarantine import build_quarantine
from services.ingress.webhook.signature import is_signed, is_verify_token
from services.ingress.webhook.translate import parse_webhook


class NotStored(Exception):
    """Error: the broker has not confirmed, or too much is already waiting; the client must resend the webhook."""


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

    async def store(self, encoded: EncodedEvents) -> None:
        """Return when all events, if any, are on disk. Raises NotStored within three seconds."""


class WebhookMeter(Protocol):
    """Counters of the webhook handlers."""

    def count_webhook(self, result: WebhookResult) -> None: ...

    def count_other_request(self, status: int) -> None: ...

    def count_ignored(self, reason: Ignored) -> None: ...

    def count_problem(self, kind: ProblemKind) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Handler of the requests to the public port; `build_rules` returns the rules of a webhook received now."""

    app_secrets: Sequence[bytes]
    verify_token: str
    build_rules: Callable[[], Rules]
    outbox: Outbox
    meter: WebhookMeter

    def verify_handshake(self, mode: str | None, token: str | None) -> bool:
        """Return whether a handshake request comes from Meta."""
        return mode == "subscribe" and is_verify_token(token, self.verify_token)

    async def receive(self, body: bytes, signature: str | None) -> WebhookResult:
        """Store the webhook and return its result; ACCEPTED and QUARANTINED mean that it is stored."""
        result = await self._store(body, signature)
        self.meter.count_webhook(result)
        return result

    async def _store(self, body: bytes, signature: str | None) -> WebhookResult:
        if not is_signed(body, signature, self.app_secrets):
            return WebhookResult.UNSIGNED
        parsed = self._parse(body)
        encoded = encode_events(parsed.events)
        parsed.events.clear()
        try:
            await self.outbox.store(encoded)
        except NotStored:
            return WebhookResult.UNAVAILABLE
        for reason in parsed.ignored:
            self.meter.count_ignored(reason)
        for problem in parsed.problems:
            self.meter.count_problem(problem.kind)
        return WebhookResult.QUARANTINED if parsed.problems else WebhookResult.ACCEPTED

    def _parse(self, body: bytes) -> ParsedWebhook:
        rules = self.build_rules()
        parsed = parse_webhook(body, rules)
        if parsed.problems:
            parsed.events.extend(build_quarantine(body, parsed.problems, rules))
        return parsed
