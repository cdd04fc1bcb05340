"""The items in quarantine."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.amqp.inspection import BrowsedMessage
from shared.amqp.topology import NOTICES_QUARANTINE
from shared.contracts.envelope import ContractError, decode
from shared.contracts.inbound import WebhookQuarantined
from shared.encryption import EncryptionError, KeyRing


class CannotDecryptError(Exception):
    """An encrypted item cannot be read; the text says why."""


@dataclass(frozen=True, kw_only=True)
class QuarantineItem:
    """One message that could not be parsed. `kind` is its origin; `reason` names fields, never values.

    A `webhook` is one of Meta's, encrypted by the ingress. A rejected notice is public, so it is not encrypted.
    """

    queued: BrowsedMessage
    kind: str
    reason: str
    since: datetime | None
    size: int
    webhook: WebhookQuarantined | None = None

    @property
    def is_notice(self) -> bool:
        return self.queued.queue == NOTICES_QUARANTINE

    @property
    def description(self) -> Mapping[str, object]:
        """Return what can be told without a key."""
        described = {name: getattr(self, name) for name in ("kind", "since", "size", "reason")}
        return {"id": self.queued.message_id, **described}

    def decrypt(self, ring: KeyRing | None) -> bytes:
        """Return the original bytes. Raises CannotDecryptError."""
        if self.webhook is None:
            return self.queued.body
        if ring is None:
            raise CannotDecryptError("It is sealed, and no sealing key is set.")
        try:
            return ring.decrypt(self.webhook.sealed, purpose="webhook")
        except EncryptionError as error:
            raise CannotDecryptError(f"It is sealed, and {error}.") from None


def describe_message(queued: BrowsedMessage) -> QuarantineItem:
    """Return the item that a queued message represents."""
    if queued.queue == NOTICES_QUARANTINE:
        reason, since = str(queued.headers.get("reason", "")), _read_time(queued)
        return QuarantineItem(queued=queued, kind="notice", reason=reason, since=since, size=len(queued.body))
    try:
        message = decode(queued.body)
    except ContractError:
        message = None
    if not isinstance(message, WebhookQuarantined):
        reason = "not a message of ours"
        return QuarantineItem(queued=queued, kind="unknown", reason=reason, since=None, size=len(queued.body))
    return QuarantineItem(
        queued=queued,
        kind=f"webhook: {message.kind}",
        reason=message.reason,
        since=message.received_at,
        size=message.size,
        webhook=message,
    )


def _read_time(queued: BrowsedMessage) -> datetime | None:
    try:
        return datetime.fromisoformat(str(queued.headers.get("quarantined-at", "")))
    except ValueError:
        return None
