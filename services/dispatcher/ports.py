"""Ports of the handlers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.dispatcher.domain.pacing import LateUse, Lease
from services.dispatcher.domain.send_results import Record, SendResult
from services.dispatcher.domain.states import DeliveryState
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, Recipient, ReplyRequested, Withdrawal
from shared.contracts.events import DeliveryRefused
from shared.contracts.message import Address, AddressKind, Lane, Message
from shared.outcome import Outcome
from shared.runtime.clock import Instant

Publish = Callable[[Message], Awaitable[None]]
AskedReply = tuple[ReplyRequested, datetime]  # with the time of the decision to send it


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


class LaneMessage(Protocol):
    """An unsettled message from one of the lanes."""

    @property
    def body(self) -> bytes: ...

    @property
    def alive(self) -> bool: ...

    @property
    def attempt(self) -> int: ...

    async def settle(self, outcome: Outcome) -> None: ...


class LaneQueue(Protocol):
    """Received messages of one lane. Closing returns all unsettled ones to the broker."""

    def take(self) -> LaneMessage | None: ...

    def peek(self) -> LaneMessage | None: ...

    @property
    def waiting(self) -> int: ...

    def open(self) -> None: ...

    def close(self) -> None: ...


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


@dataclass(frozen=True)
class StatusUpdate:
    """Furthest status of one delivery in a group of statuses.

    A failure that may be temporary is retried, up to `attempts` attempts; each has its delay, in seconds.
    """

    delivery: UUID
    state: DeliveryState
    message_key: bytes
    error_code: int | None = None
    attempts: int = 0
    delays: Sequence[float] = ()
    waits_for: str | None = None


@dataclass(frozen=True)
class StatusFailure:
    """Deliveries that failed with the same code; those of replies have no broadcast and no template."""

    broadcast: UUID | None
    template: str | None
    code: int | None
    deliveries: Sequence[UUID]


@dataclass(frozen=True)
class AppliedStatuses:
    """Result of applying a group of statuses; `unmatched` have no ledger row.

    `failures` are new ones; `reached` are the broadcasts with a message now known to be on its way.
    """

    changed: int
    unmatched: int
    failures: Sequence[StatusFailure]
    reached: Sequence[UUID]


@dataclass(frozen=True)
class BroadcastProgress:
    """Recipients of a broadcast by state; `audience` is None until the last page has arrived.

    `cancelled` is the reason of a cancellation; `person_limited` counts those who wait because Meta limits the messages
    to one person in a short time. `counters` are compared with later ones by the ledger. `failures` counts the failed
    ones by Meta's code, None for those without.
    """

    broadcast: UUID
    audience: int | None
    states: Mapping[DeliveryState, int]
    finished: bool
    cancelled: str | None
    person_limited: int
    counters: str
    failures: Mapping[int | None, int]


@dataclass(frozen=True)
class Backlog:
    """Work that the ledger still expects.

    `waiting` counts deliveries by lane, `overdue_seconds` is how long the oldest one has been due; `unaccounted` counts
    recipients of ended broadcasts without a row; `unknown_seconds` is the age of the oldest unknown outcome.
    """

    waiting: Mapping[Lane, int]
    overdue_seconds: Mapping[Lane, float]
    unaccounted: int
    unknown_seconds: float
    sending_paused: bool = False


class Ledger(Protocol):
    """Rows of all deliveries. Every method is one transaction and raises DependencyUnavailable.

    Methods that write received data raise InvalidDataError if the database refuses a value.
    """

    async def register(self, batch: BroadcastBatch, content: Mapping[str, Any]) -> None: ...

    async def begin_follow_up(self, message: BroadcastFollowUp, content: Mapping[str, Any]) -> None: ...

    async def extend_follow_up(self, limit: int) -> bool: ...

    async def claim_batch(self, batch: Batch, limit: int, *, wait: bool = False) -> list[Claim]: ...

    async def claim_replies(self, replies: Sequence[AskedReply], *, wait: bool = False) -> list[Claim]: ...

    async def claim_due(self, lane: Lane, limit: int) -> list[Claim]: ...

    async def find_work(self) -> tuple[dict[Lane, int], list[str]]: ...

    async def record(self, records: Sequence[Record]) -> None: ...

    async def apply_statuses(self, updates: Sequence[StatusUpdate], at: datetime | None = None) -> AppliedStatuses: ...

    async def withdraw(self, withdrawal: Withdrawal) -> None: ...

    async def mark_unknown(self) -> int: ...

    async def requeue_unknown(self, grace_seconds: float, margin_seconds: float) -> int: ...

    async def collect_progress(self, grace_seconds: float, *, late: bool = False) -> list[BroadcastProgress]: ...

    async def finish(self, broadcast: UUID) -> float | None: ...

    async def mark_published(self, progress: BroadcastProgress) -> None: ...

    async def get_progress(self, broadcast: UUID) -> BroadcastProgress | None: ...

    async def get_cancellation(self, broadcast: UUID) -> str | None: ...

    async def read_backlog(self) -> Backlog: ...

    async def report_unreachable(self, reason: str, seconds: float) -> None: ...

    async def fetch_unreported_refusals(self) -> list[DeliveryRefused]: ...

    async def mark_refusals_reported(self, refusals: Sequence[DeliveryRefused]) -> None: ...

    async def pause_template(self, template: str, reason: str) -> bool: ...

    async def pause_broadcast(self, broadcast: UUID, reason: str) -> bool: ...

    async def requeue_waiting(self, limit: int) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """People whose addresses must be erased, also from their deliveries; `user` is set until Meta has been asked."""

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
    """Personal data in the ledger. Every method raises DependencyUnavailable."""

    async def find_broadcast(self, deliveries: Sequence[UUID], message_key: bytes) -> UUID | None:
        """Return the broadcast of the delivery, out of these, that was sent as this message."""

    async def claim_due_erasures(self) -> list[Erasure]:
        """Return due erasures, for this replica only."""

    async def mark_contact_deleted(self, erasure: Erasure) -> None: ...

    async def erase(self, erasure: Erasure) -> None:
        """Erase the addresses of deliveries that are not pending, and the erasure itself once no address remains."""


class RateLimiter(Protocol):
    """Rate shared by all replicas; `rate` is as of the last lease. Every method raises DependencyUnavailable."""

    rate: float

    async def keep_limits(self) -> None: ...

    async def reserve(self, slots: int) -> Lease: ...

    async def ask_if_paused(self) -> bool:
        """Return whether sending is paused now; a lease knows it only as of its reservation."""

    def read_clock(self) -> datetime: ...

    async def report_late_use(self, use: LateUse) -> None: ...

    async def throttle(self, seconds: float) -> bool: ...

    async def pause(self, reason: str, seconds: float) -> bool: ...

    async def resume(self) -> bool: ...


class Graph(Protocol):
    """Meta's API. Never raises: every failure is a result."""

    def send(self, claim: Claim, may_leave: Callable[[], bool]) -> asyncio.Future[Any]:
        """Send unless `may_leave`, called just before writing to an open connection, returns False."""

    def answer(self, request: asyncio.Future[Any]) -> SendResult:
        """Return the result of sending; a cancelled future counts as unanswered."""

    def hash_message_id(self, message_id: str) -> bytes: ...


class Meter(Protocol):
    """Metrics of the handlers."""

    def record_send(self, claim: Claim, answer: SendResult, seconds: float, now: datetime) -> None: ...

    def record_lease(self, lease: Lease, wait_seconds: float) -> None: ...

    def show_backlog(self, backlog: Backlog, lane_seconds: Mapping[Lane, float], unreachable: float) -> None: ...

    def show_send_bound(self, bound: str) -> None: ...

    def record_broadcast(self, seconds: float) -> None:
        """Record a finished broadcast, `seconds` after its publication."""

    def count(self, name: str, amount: float = 1, label: str | None = None) -> None: ...
