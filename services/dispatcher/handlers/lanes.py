"""Sources of deliveries, by lane: prepared claims, due retries, messages."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

import structlog

from services.dispatcher.domain.claims import AskedReply, Batch, Claim
from services.dispatcher.domain.content import ContentError, build_reply_body, build_template_body
from services.dispatcher.ports import LaneMessage, LaneQueue, Ledger
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, ReplyRequested
from shared.contracts.envelope import ContractError, decode, read_data, read_envelope
from shared.contracts.message import Lane, Message
from shared.outcome import Dead, DependencyUnavailable, Done, InvalidDataError, Outcome, RetryLater
from shared.runtime.bisection import store_bisected

MAX_BATCH_RECIPIENTS = 100
# Closing lanes again before the broker has delivered would count as a delivery of each message, and lose a probe.
LANES_OPEN_TIMEOUT_SECONDS = 10.0
SETTLE_TIMEOUT_SECONDS = 1.0
# Requests prepared at once; preparing more would delay the slots that are due in the meantime.
MAX_PREPARED = 16
# A bug that affects all messages, such as a missing permission, may be fixed before they become dead letters.
RETRY_SECONDS = (10, 60, 600)

_log = structlog.get_logger()


@dataclass(kw_only=True)
class Lanes:
    """Claims of all lanes, the highest lane first; `prepare` is called with claims before they are sent.

    `due` counts the due retries of each lane as last seen; another replica may claim them first. `wake` is set when
    there may be work again.
    """

    ledger: Ledger
    queues: Mapping[Lane, LaneQueue]
    prepare: Callable[[Iterable[Claim]], None]
    wake: asyncio.Event
    due: dict[Lane, int] = field(default_factory=dict, init=False)
    _closed: bool = field(default=False, init=False)
    _opened_at: float = field(default=-LANES_OPEN_TIMEOUT_SECONDS, init=False)
    _claiming: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        self._ready: Mapping[Lane, deque[Claim]] = {lane: deque() for lane in Lane}
        self._sources: Mapping[Lane, ReplyLane | BatchLane] = {
            lane: (ReplyLane if lane is Lane.REPLY else BatchLane)(ledger=self.ledger, queue=self.queues[lane])
            for lane in Lane
        }

    def estimate_available(self) -> int:
        """Return an estimate of the deliveries that could be sent now; 0 is exact."""
        ready = sum(len(queue) for queue in self._ready.values())
        return ready + sum(self.due.values()) + sum(source.available for source in self._sources.values())

    def open(self) -> None:
        if self._closed:
            self._closed, self._opened_at = False, monotonic()
        for queue in self.queues.values():
            queue.open()

    async def close(self) -> None:
        """Move what the broker has delivered to the ledger, where any replica may claim it, and stop consuming.

        Lanes opened less than LANES_OPEN_TIMEOUT_SECONDS ago stay open: call it again. Raises DependencyUnavailable.
        """
        if self._closed:
            return
        async with self._claiming:
            for lane, source in self._sources.items():
                for _ in range(self.queues[lane].waiting + 1):
                    await source.claim(MAX_BATCH_RECIPIENTS, lambda _: None, wait=True)
        await self.settle_refusals()
        if monotonic() - self._opened_at >= LANES_OPEN_TIMEOUT_SECONDS:
            self._closed = True
            for queue in self.queues.values():
                queue.close()

    async def settle_refusals(self) -> None:
        """Wait up to SETTLE_TIMEOUT_SECONDS until refused messages are settled; the others will be redelivered."""
        for source in self._sources.values():
            await source.refusals.wait(SETTLE_TIMEOUT_SECONDS)

    def measure_waiting_seconds(self, now: datetime) -> Mapping[Lane, float]:
        """Return the seconds that the first message of each lane has waited to be claimed."""
        waiting_seconds = dict.fromkeys(Lane, 0.0)
        for lane in Lane:
            if first := self._sources[lane].first or self.queues[lane].peek():
                with suppress(ContractError):  # becomes a dead letter when it is claimed
                    waiting_seconds[lane] = max(0.0, (now - read_envelope(first.body).time).total_seconds())
        return waiting_seconds

    def has_claims(self) -> bool:
        return any(self._ready.values())

    def take(self) -> Claim | None:
        """Remove and return the first claim of the highest lane that has one."""
        for ready in self._ready.values():
            if ready:
                return ready.popleft()
        return None

    def put_back(self, claim: Claim) -> None:
        self._ready[claim.lane].appendleft(claim)
        self.wake.set()

    async def claim_some(self, slots: int, lanes: Iterable[Lane] = Lane) -> bool:
        """Claim for the first lane that has work and, together with the lanes before it, fewer than `slots` claims.

        Return False if there is no work. A second caller waits, as both would move a batch's position. Raises
        DependencyUnavailable.
        """
        async with self._claiming:
            missing = slots
            for lane in lanes:
                missing -= len(self._ready[lane])
                if missing > 0 and (lane in self.due or self._sources[lane].available):
                    await self._claim(lane, missing)
                    return True
            return False

    async def _claim(self, lane: Lane, limit: int) -> None:
        def add_claims(claims: Sequence[Claim]) -> None:
            self.prepare(claims[:MAX_PREPARED])
            self._ready[lane].extend(claims)

        if lane not in self.due:
            await self._sources[lane].claim(limit, add_claims)
            return
        claims = await self.ledger.claim_due(lane, limit)
        add_claims(claims)
        remaining = self.due.pop(lane, 0) - len(claims)
        if remaining > 0 and len(claims) == limit:
            self.due[lane] = remaining


class Refusals:
    """Messages that cannot be claimed. Settling one publishes it to another queue, which a blocked broker delays."""

    def __init__(self) -> None:
        self._settling: set[asyncio.Task[None]] = set()

    def settle(self, message: LaneMessage, error: BaseException) -> None:
        """Settle the message in the background; after a bug it is retried with growing delays."""
        if isinstance(error, ContractError | ContentError | InvalidDataError):
            _log.error("lane_message_unusable", problem=str(error))
            outcome: Outcome = Dead(str(error))
        else:
            _log.error("lane_message_failed", exc_info=error)
            seconds = RETRY_SECONDS[min(message.attempt, len(RETRY_SECONDS)) - 1]
            outcome = RetryLater(seconds, f"unexpected {type(error).__name__}")
        task = asyncio.create_task(message.settle(outcome))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def wait(self, seconds: float) -> None:
        if self._settling:
            await asyncio.wait(self._settling, timeout=seconds)


@dataclass(kw_only=True)
class BatchLane:
    """Lane of broadcasts, which claims the recipients of one batch after another; a message may also start a follow-up.

    A batch is settled as soon as its last recipient is claimed: the rows are committed, and a redelivery skips them.
    """

    ledger: Ledger
    queue: LaneQueue
    refusals: Refusals = field(default_factory=Refusals, init=False)
    first: LaneMessage | None = field(default=None, init=False)
    _batch: Batch | None = field(default=None, init=False)

    @property
    def available(self) -> int:
        """Return the number of recipients left to claim; a batch that has not been decoded counts as full."""
        current = self._batch.remaining if self._batch else MAX_BATCH_RECIPIENTS if self.first else 0
        return current + self.queue.waiting * MAX_BATCH_RECIPIENTS

    async def claim(self, limit: int, add_claims: Callable[[Sequence[Claim]], None], *, wait: bool = False) -> None:
        """Claim up to `limit` recipients of one batch; after a claim of ineligible ones, the rest waits in the ledger.

        Raises DependencyUnavailable.
        """
        if self.first and not self.first.alive:
            self.first = self._batch = None
        self.first = message = self.first or self.queue.take()
        if message is None:
            return
        try:
            self._batch = self._batch or await self._open(message)
            if self._batch:
                all_wait = self._batch.ineligible
                count = self._batch.remaining if all_wait else limit
                claims = await self.ledger.claim_batch(self._batch, count, wait=wait or all_wait)
                add_claims(claims)
                self._batch.position += len(self._batch.peek_recipients(count))
                self._batch.ineligible = not claims
        except DependencyUnavailable:
            raise
        except Exception as error:
            self.first = self._batch = None
            self.refusals.settle(message, error)
            return
        if self._batch is None or not self._batch.remaining:
            self.first = self._batch = None
            await message.settle(Done())

    async def _open(self, message: LaneMessage) -> Batch | None:
        """Register the broadcast of a message; return None if the message contains no recipients."""
        decoded: Message = decode(message.body)
        match decoded:
            case BroadcastBatch():
                batch = Batch(decoded, build_template_body(decoded.template))
                await self.ledger.register(decoded, batch.content)
                return batch
            case BroadcastFollowUp():
                await self.ledger.begin_follow_up(decoded, build_template_body(decoded.template))
                return None
            case _:
                raise ContractError(f"expected {BroadcastBatch.TYPE} or {BroadcastFollowUp.TYPE}")


DecodedReply = tuple[LaneMessage, AskedReply]


@dataclass(kw_only=True)
class ReplyLane:
    """Lane that claims replies in the order of arrival; each is settled as soon as it is claimed."""

    ledger: Ledger
    queue: LaneQueue
    refusals: Refusals = field(default_factory=Refusals, init=False)
    _decoded: deque[DecodedReply] = field(default_factory=deque, init=False)

    @property
    def available(self) -> int:
        return len(self._decoded) + self.queue.waiting

    @property
    def first(self) -> LaneMessage | None:
        return self._decoded[0][0] if self._decoded else None

    async def claim(self, limit: int, add_claims: Callable[[Sequence[Claim]], None], *, wait: bool = False) -> None:
        """Claim up to `limit` replies, fewer if some are already claimed. Raises DependencyUnavailable."""
        self._decoded = deque((message, reply) for message, reply in self._decoded if message.alive)
        while len(self._decoded) < limit and (message := self.queue.take()):
            try:
                self._decoded.append((message, _read_reply(message.body)))
            except Exception as error:
                self.refusals.settle(message, error)

        async def claim(replies: Sequence[DecodedReply]) -> None:
            add_claims(await self._claim([reply for _, reply in replies], wait=wait))
            for decoded in replies:
                self._decoded.remove(decoded)
                await decoded[0].settle(Done())

        async def reject(decoded: DecodedReply, error: InvalidDataError) -> None:
            self._decoded.remove(decoded)
            self.refusals.settle(decoded[0], error.__cause__ or error)

        if self._decoded:
            await store_bisected(list(self._decoded)[:limit], claim, reject)

    async def _claim(self, replies: Sequence[AskedReply], *, wait: bool) -> list[Claim]:
        try:
            return await self.ledger.claim_replies(replies, wait=wait)
        except (DependencyUnavailable, InvalidDataError):
            raise
        except Exception as error:
            raise InvalidDataError("unexpected error") from error  # so that bisection isolates the reply that causes it


def _read_reply(body: bytes) -> AskedReply:
    envelope = read_envelope(body)
    reply = read_data(envelope, ReplyRequested)
    build_reply_body(reply.text, reply.buttons, reply.menu)
    return reply, envelope.time
