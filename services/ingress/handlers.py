"""Webhook handling: verify the signature, parse, store, and only then acknowledge."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.ingress.domain.addresses import BlindIndex, Encrypt, Rules
from services.ingress.domain.chunks import EncodedEvents, encode_events
from services.ingress.domain.findings import Ignored, ParseProblem
from services.ingress.domain.quarantine_parts import build_quarantine
from services.ingress.domain.signature import is_signed, is_verify_token
from services.ingress.domain.translate import parse_webhook
from services.ingress.ports import NotStored, Outbox, WebhookMeter, WebhookResult
from shared.runtime.clock import Clock


class _EncodedWebhook(NamedTuple):
    """Encoded parts of a webhook that are needed while it is being stored."""

    events: EncodedEvents
    ignored: Sequence[Ignored]
    problems: Sequence[ParseProblem]


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Handler of the requests to the public port."""

    app_secrets: Sequence[bytes]
    verify_token: str
    phone_number_id: str
    account_id: str | None = None
    encrypt: Encrypt
    index: BlindIndex
    clock: Clock
    outbox: Outbox
    meter: WebhookMeter

    def verify_handshake(self, mode: str | None, token: str | None) -> bool:
        """Return whether a handshake request comes from Meta."""
        return mode == "subscribe" and is_verify_token(token, self.verify_token)

    async def receive(self, body: bytes, signature: str | None) -> WebhookResult:
        """Store the webhook and return its result; it is accepted or quarantined only once it is stored."""
        result = await self._store(body, signature)
        self.meter.count_webhook(result)
        return result

    async def _store(self, body: bytes, signature: str | None) -> WebhookResult:
        if not is_signed(body, signature, self.app_secrets):
            return WebhookResult.UNSIGNED
        encoded = self._encode(body)
        try:
            await self.outbox.store(encoded.events)
        except NotStored:
            return WebhookResult.UNAVAILABLE
        for reason in encoded.ignored:
            self.meter.count_ignored(reason)
        for problem in encoded.problems:
            self.meter.count_problem(problem.kind)
        return WebhookResult.QUARANTINED if encoded.problems else WebhookResult.ACCEPTED

    def _encode(self, body: bytes) -> _EncodedWebhook:
        rules = Rules(
            phone_number_id=self.phone_number_id,
            account_id=self.account_id,
            received_at=self.clock(),
            encrypt=self.encrypt,
            index=self.index,
        )
        parsed = parse_webhook(body, rules)
        if parsed.problems:
            parsed.events.extend(build_quarantine(body, parsed.problems, rules))
        return _EncodedWebhook(encode_events(parsed.events), parsed.ignored, parsed.problems)
