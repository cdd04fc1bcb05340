"""The kinds of items in quarantine."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.amqp.queue_browser import BrowsedMessage
from shared.amqp.topology import NOTICES_QUARANTINE
from shared.contracts.envelope import ContractError, decode
from shared.contracts.inbound import WebhookQuarantined
from shared.encryption import EncryptionError, KeyRing


class CannotDecryptError(Exception):
    """An encrypted item cannot be read; the text says why."""


class QuarantineItem(Protocol):
    """One message that could not be parsed. `kind` is its origin; `reason` names fields, never values."""

    @property
    def queued(self) -> BrowsedMessage: ...

    @property
    def kind(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def since(self) -> datetime | None: ...

    @property
    def size(self) -> int: ...

    def decrypt(self, ring: KeyRing | None) -> bytes:
        """Return the original bytes. Raises CannotDecryptError."""
        ...


@dataclass(frozen=True)
class QuarantinedWebhook:
    """A webhook from Meta, encrypted by the ingress."""

    queued: BrowsedMessage
    message: WebhookQuarantined

    @property
    def kind(self) -> str:
        return f"webhook: {self.message.kind}"

    @property
    def reason(self) -> str:
        return self.message.reason

    @property
    def since(self) -> datetime | None:
        return self.message.received_at

    @property
    def size(self) -> int:
        return self.message.size

    def decrypt(self, ring: KeyRing | None) -> bytes:
        if ring is None:
            raise CannotDecryptError("It is sealed, and no sealing key is set.")
        try:
            return ring.decrypt(self.message.sealed, purpose="webhook")
        except EncryptionError as error:
            raise CannotDecryptError(f"It is sealed, and {error}.") from None


@dataclass(frozen=True)
class RejectedNotice:
    """A rejected event of a municipal system; it is not encrypted, as notices are public."""

    queued: BrowsedMessage

    @property
    def kind(self) -> str:
        return "notice"

    @property
    def reason(self) -> str:
        return self._read_header("reason")

    @property
    def since(self) -> datetime | None:
        try:
            return datetime.fromisoformat(self._read_header("quarantined-at"))
        except ValueError:
            return None

    @property
    def size(self) -> int:
        return len(self.queued.body)

    def decrypt(self, ring: KeyRing | None) -> bytes:
        return self.queued.body

    def _read_header(self, name: str) -> str:
        return str(self.queued.headers.get(name, ""))


@dataclass(frozen=True)
class ForeignItem:
    """A message that none of our services put there."""

    queued: BrowsedMessage
    kind: str = "unknown"
    reason: str = "not a message of ours"
    since: datetime | None = None

    @property
    def size(self) -> int:
        return len(self.queued.body)

    def decrypt(self, ring: KeyRing | None) -> bytes:
        return self.queued.body


def classify_message(kept: BrowsedMessage) -> QuarantineItem:
    """Return the item that a queued message represents."""
    if kept.queue == NOTICES_QUARANTINE:
        return RejectedNotice(kept)
    try:
        message = decode(kept.body)
    except ContractError:
        return ForeignItem(kept)
    return QuarantinedWebhook(kept, message) if isinstance(message, WebhookQuarantined) else ForeignItem(kept)
