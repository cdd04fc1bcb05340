"""What the handlers need from the outside."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.dispatcher.domain.pacing import LateUse, Lease
from services.dispatcher.domain.send_results import Record, SendResult
from services.dispatcher.domain.states import DeliveryState
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, Recipient, ReplyRequested, Withdrawal
from shared.contracts.events import DeliveryRefused, SubscriberErased
from shared.contracts.message import Address, AddressKind, Lane, Message
from shared.outcome import Outcome
from shared.runtime.clock import Instant

Publish = Callable[[Message], Awaitable[None]]


@dataclass
class Claim:
    """A ledger row that is ours to send now. `number` is how often it was claimed.

    `content` is the part of the request that does not depend on the recipient; `request` is all of it, once made.
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
    request: bytes | None = field(default=None, repr=False)


class LaneMessage(Protocol):
    """A message in hand from one of the lanes."""

    @property
    def body(self) -> bytes: ...

    @property
    def alive(self) -> bool: ...

    async def settle(self, outcome: Outcome) -> None: ...


class LaneQueue(Protocol):
    """What has arrived on one lane. Closed, everything in hand goes back to the broker."""

    def take(self) -> LaneMessage | None: ...

    def peek(self) -> LaneMessage | None: ...

    @property
    def waiting(self) -> int: ...

    def open(self) -> None: ...

    def close(self) -> None: ...


@dataclass
class Batch:
    """A batch in hand and how many of its recipients have been claimed or skipped."""

    message: BroadcastBatch
    content: Mapping[str, Any]
    position: int = 0

    @property
    def remaining(self) -> int:
        return len(self.message.recipients) - self.position

    def peek_recipients(self, limit: int) -> Sequence[Recipient]:
        return self.message.recipients[self.position : self.position + limit]


@dataclass(frozen=True)
class StatusUpdate:
    """The furthest news about one delivery in a group of statuses.

    A failure that may pass is tried again at `due_at`, up to `attempts` attempts.
    """

    delivery: UUID
    state: DeliveryState
    message_key: bytes
    error_code: int | None = None
    attempts: int = 0
    due_at: datetime | None = None
    waits_for: str | None = None


@dataclass(frozen=True)
class AppliedStatuses:
    """What a group of statuses did; `unmatched` belong to no row of ours."""

    changed: int
    unmatched: int


@dataclass(frozen=True)
class BroadcastProgress:
    """How many recipients of a broadcast are in which state; `audience` None until the last page came.

    `cancelled` is why it was cancelled, if it was and somebody asked; `person_limited` how many wait since Meta lets
    one person have only so many messages in a short time.
    """

    broadcast: UUID
    audience: int | None
    states: Mapping[DeliveryState, int]
    finished: bool
    cancelled: str | None
    person_limited: int = 0


@dataclass(frozen=True)
class Backlog:
    """What the ledger still expects: deliveries that wait, by lane, and how many seconds the oldest that is due has
    been; recipients that nobody accounts for; the age of the oldest unknown outcome in seconds; whether the sender is
    held."""

    waiting: Mapping[Lane, int]
    overdue_seconds: Mapping[Lane, float]
    unaccounted: int
    unknown_seconds: float
    sending_paused: bool = False


@dataclass(frozen=True)
class Work:
    """Lanes with deliveries that are due, and what else there is to do: unknown, progress, refusals, …"""

    due_lanes: frozenset[Lane] = frozenset()
    kinds: frozenset[str] = frozenset()


class Ledger(Protocol):
    """The rows of all deliveries. Every method is one transaction and raises DependencyUnavailable.

    Those that write what others sent us raise InvalidDataError if the database refuses a value.
    """

    async def register(self, batch: BroadcastBatch, content: Mapping[str, Any]) -> None: ...

    async def begin_follow_up(self, message: BroadcastFollowUp, content: Mapping[str, Any]) -> None: ...

    async def extend_follow_up(self, limit: int) -> bool: ...

    async def claim_batch(self, batch: Batch, limit: int) -> list[Claim]: ...

    async def claim_replies(self, replies: Sequence[tuple[ReplyRequested, datetime]]) -> list[Claim]: ...

    async def claim_due(self, lane: Lane, limit: int) -> list[Claim]: ...

    async def find_work(self) -> Work: ...

    async def record(self, records: Sequence[Record]) -> None: ...

    async def apply_statuses(self, updates: Sequence[StatusUpdate]) -> AppliedStatuses: ...

    async def withdraw(self, withdrawal: Withdrawal) -> None: ...

    async def cancel(self, broadcast: UUID, reason: str) -> None: ...

    async def mark_unknown(self) -> int: ...

    async def requeue_unknown(self, grace_seconds: float, margin_seconds: float) -> int: ...

    async def collect_progress(self, grace_seconds: float) -> list[BroadcastProgress]: ...

    async def finish(self, broadcast: UUID) -> None: ...

    async def get_progress(self, broadcast: UUID) -> BroadcastProgress | None: ...

    async def read_backlog(self) -> Backlog: ...

    async def report_unreachable(self, reason: str, seconds: float) -> None: ...

    async def fetch_unreported_refusals(self) -> list[DeliveryRefused]: ...

    async def mark_refusals_reported(self, refusals: Sequence[DeliveryRefused]) -> None: ...

    async def pause_template(self, template: str, reason: str) -> bool: ...

    async def requeue_waiting(self, limit: int) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """People whose addresses have to go, also those that only their deliveries know; `user` until Meta was told."""

    id: UUID
    subscribers: Sequence[UUID]
    indexes: Sequence[bytes]
    user_index: bytes | None
    user_sealed: bytes | None

    @property
    def user(self) -> Address | None:
        if self.user_index and self.user_sealed:
            return Address(kind=AddressKind.USER, index=self.user_index, sealed=self.user_sealed)
        return None


class RecipientRepository(Protocol):
    """What the ledger knows of people. Every method raises DependencyUnavailable."""

    async def find_broadcast(self, deliveries: Sequence[UUID], message_key: bytes) -> UUID | None:
        """The source of the one of these deliveries that Meta knows by this message."""

    async def register_erasure(self, erased: SubscriberErased) -> None:
        """Send them nothing from now on, and erase them soon."""

    async def claim_due_erasures(self) -> list[Erasure]:
        """Erasures to be tried now, for this replica only."""

    async def mark_contact_deleted(self, erasure: Erasure) -> None: ...

    async def erase(self, erasure: Erasure) -> None:
        """Forget the addresses where nothing has to be sent any more, and the erasure when all of them are gone."""


class RateLimiter(Protocol):
    """The rate that all replicas share, as of the last lease. Every method raises DependencyUnavailable."""

    rate: float

    async def reserve(self, slots: int) -> Lease: ...

    async def report_late_use(self, use: LateUse) -> None: ...

    async def throttle(self, seconds: float) -> bool: ...

    async def pause(self, reason: str, seconds: float) -> bool: ...

    async def resume(self) -> bool: ...


class Graph(Protocol):
    """Meta's API. Never raises: whatever happens is an answer."""

    def prepare(self, claims: Iterable[Claim]) -> None:
        """Make their requests, one after the other, which costs less than each at its moment."""

    def send(self, claim: Claim, may_leave: Callable[[], bool]) -> asyncio.Future[Any]:
        """Send unless `may_leave` says no, which is asked at the moment of writing to an open connection."""

    def answer(self, sent: asyncio.Future[Any]) -> SendResult:
        """What sending it ended with; cancelled, it counts as not answered."""

    def hash_message_id(self, message_id: str) -> bytes: ...


class Meter(Protocol):
    """What is counted."""

    def record_send(self, claim: Claim, answer: SendResult, seconds: float, now: datetime) -> None: ...

    def record_lease(self, lease: Lease, wait_seconds: float) -> None: ...

    def show_backlog(self, outstanding: Backlog, lane_seconds: Mapping[Lane, float], unreachable: float) -> None: ...

    def show_send_bound(self, what: str) -> None: ...

    def count(self, name: str, amount: float = 1, label: str | None = None) -> None: ...
