"""Ports of the handlers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.dispatcher.domain.claims import AskedReply, Batch, Claim
from services.dispatcher.domain.erasures import Erasure
from services.dispatcher.domain.pacing import LateUse, Lease
from services.dispatcher.domain.progress import Backlog, BroadcastProgress
from services.dispatcher.domain.send_results import Record, SendResult
from services.dispatcher.domain.status_updates import AppliedStatuses, StatusUpdate
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, Withdrawal
from shared.contracts.events import DeliveryRefused
from shared.contracts.message import Lane, Message
from shared.outcome import Outcome

Publish = Callable[[Message], Awaitable[None]]


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
