"""What stands in the quarantine, whoever put it there."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.amqp.kept import Kept
from shared.amqp.topology import NOTICES_QUARANTINE
from shared.contracts.envelope import ContractError, decode
from shared.contracts.inbound import WebhookQuarantined
from shared.sealing import KeyRing, SealingError


class NotOpened(Exception):
    """What is sealed cannot be read; the text says why."""


class Item(Protocol):
    """One thing that was not understood. `kind` is who sent it, `reason` names places and never a value."""

    @property
    def kept(self) -> Kept: ...

    @property
    def kind(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def since(self) -> datetime | None: ...

    @property
    def size(self) -> int: ...

    def open(self, ring: KeyRing | None) -> bytes:
        """As it came. Raises NotOpened."""
        ...


@dataclass(frozen=True)
class QuarantinedWebhook:
    """A webhook of Meta's, sealed by the ingress."""

    kept: Kept
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

    def open(self, ring: KeyRing | None) -> bytes:
        if ring is None:
            raise NotOpened("It is sealed, and no sealing key is set.")
        try:
            return ring.open(self.message.sealed, purpose="webhook")
        except SealingError as error:
            raise NotOpened(f"It is sealed, and {error}.") from None


@dataclass(frozen=True)
class RejectedNotice:
    """An event of a municipal system that was rejected; it is not sealed, as notices are public."""

    kept: Kept

    @property
    def kind(self) -> str:
        return "notice"

    @property
    def reason(self) -> str:
        return self._header("reason")

    @property
    def since(self) -> datetime | None:
        try:
            return datetime.fromisoformat(self._header("quarantined-at"))
        except ValueError:
            return None

    @property
    def size(self) -> int:
        return len(self.kept.body)

    def open(self, ring: KeyRing | None) -> bytes:
        return self.kept.body

    def _header(self, name: str) -> str:
        return str(self.kept.headers.get(name, ""))


@dataclass(frozen=True)
class Stray:
    """Something that nobody of us puts there."""

    kept: Kept
    kind: str = "unknown"
    reason: str = "not a message of ours"
    since: datetime | None = None

    @property
    def size(self) -> int:
        return len(self.kept.body)

    def open(self, ring: KeyRing | None) -> bytes:
        return self.kept.body


def item_of(kept: Kept) -> Item:
    """What a message is."""
    if kept.queue == NOTICES_QUARANTINE:
        return RejectedNotice(kept)
    try:
        message = decode(kept.body)
    except ContractError:
        return Stray(kept)
    return QuarantinedWebhook(kept, message) if isinstance(message, WebhookQuarantined) else Stray(kept)
