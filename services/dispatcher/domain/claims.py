"""Claims: deliveries that this process may send now, and batches from which they are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.contracts.dispatch import BroadcastBatch, Recipient, ReplyRequested
from shared.contracts.message import Address, Lane

AskedReply = tuple[ReplyRequested, datetime]  # with the time of the decision to send it


class Instant(NamedTuple):
    """Moment on both clocks, in seconds; the monotonic one stops while a virtual machine is paused."""

    steady: float
    wall: float

    def measure_age(self, now: "Instant") -> float:
        """Return the age in seconds by the clock that shows more."""
        return max(now.steady - self.steady, now.wall - self.wall)


@dataclass
class Claim:
    """A ledger row that this process may send now. `number` counts its claims; `error_code` is of its latest failure.

    `content` is the part of the request that is the same for all recipients; `request` is the complete body, once
    encoded. A reply has no `broadcast`.
    """

    delivery: UUID
    lane: Lane
    address: Address
    content: Mapping[str, Any]
    asked_at: datetime
    expires_at: datetime
    claimed_at: Instant
    attempt: int = 1
    number: int = 1
    broadcast: UUID | None = None
    error_code: int | None = None
    request: bytes | None = field(default=None, repr=False)


@dataclass
class Batch:
    """A batch being claimed; `position` counts its recipients that have been claimed or skipped.

    `ineligible` is set once a claim found only ineligible recipients, as after an expiry: probably all others are, too.
    """

    message: BroadcastBatch
    content: Mapping[str, Any]
    position: int = 0
    ineligible: bool = False

    @property
    def remaining(self) -> int:
        return len(self.message.recipients) - self.position

    def peek_recipients(self, limit: int) -> Sequence[Recipient]:
        return self.message.recipients[self.position : self.position + limit]
