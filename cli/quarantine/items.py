"""What stands in the quarantine, whoever put it there."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.amqp.queue_browser import BrowsedMessage
from shared.amqp.topology import NOTICES_QUARANTINE
from shared.contracts.envelope import ContractError, decode
from shared.contracts.inbound import WebhookQuarantined
from shared.encryption import EncryptionError, KeyRing


class CannotDecryptError(Exception):
    """What is sealed cannot be read; the text says why."""


class QuarantineItem(Protocol):
    """One thing that was not understood. `kind` is who sent it, `reason` names places and never a value."""

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
        """As it came. Raises CannotDecryptError."""
        ...


@dataclass(frozen=True)
class QuarantinedWebhook:
    """A webhook of Meta's, sealed by the ingress."""

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
    """An event of a municipal system that was rejected; it is not sealed, as notices are public."""

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
    """Something that nobody of us puts there."""

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
    """What a message is."""
    if kept.queue == NOTICES_QUARANTINE:
        return RejectedNotice(kept)
    try:
        message = decode(kept.body)
    except ContractError:
        return ForeignItem(kept)
    return QuarantinedWebhook(kept, message) if isinstance(message, WebhookQuarantined) else ForeignItem(kept)
