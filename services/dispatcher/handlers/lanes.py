"""Sources of deliveries, by lane: prepared claims, due retries, messages."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

import structlog

from services.dispatcher.domain.content import ContentError, build_reply_body, build_template_body
from services.dispatcher.ports import AskedReply, Batch, Claim, LaneMessage, LaneQueue, Ledger
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, ReplyRequested
from shared.contracts.envelope import ContractError, decode, read_data, read_envelope
from shared.contracts.message import Lane, Message
from shared.outcome import Dead, DependencyUnavailable, Done, InvalidDataError, Outcome, RetryLater
from shared.runtime.bisection import store_bisected

MAX_BATCH_RECIPIENTS = 100
# Closing lanes again before the broker has delivered would count as a delivery of each message, and lose a probe.
LANES_OPEN_TIMEOUT_SECONDS = 10.0
SETTLE_TIMEOUT_SECONDS = 1.0
# Requests prepared at once; preparing more would take so long that slots in the meantime would be used late.
MOST_PREPARED = 16
# A bug that concerns all messages, such as a missing right, may be found before they are dead.
RETRY_SECONDS = (10, 60, 600)

_log = structlog.get_logger()


@dataclass(kw_only=True)
class Lanes:
    """Claims of all lanes, the highest lane first; `prepare` gets claims before they are sent.

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
        """Return an estimate of the deliveries that could be sent now; 0 means that there are none."""
        ready = sum(len(queue) for queue in self._ready.values())
        return ready + sum(self.due.values()) + sum(source.available for source in self._sources.values())

    def open(self) -> None:
        if self._closed:
            self._closed, self._opened_at = False, monotonic()
        for queue in self.queues.values():
            queue.open()

    async def close(self) -> None:
        """Let what the broker has delivered wait in the ledger, for any replica, and stop consuming.

        Lanes that were opened just now stay open: call it again. Raises DependencyUnavailable.
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
        """Wait until what cannot be claimed is settled, or for a moment: a message that is not comes again."""
        for source in self._sources.values():
            await source.refusals.wait(SETTLE_TIMEOUT_SECONDS)

    def measure_waiting_seconds(self, now: datetime) -> Mapping[Lane, float]:
        """Return the seconds that the first message of each lane has waited to be claimed."""
        waited = dict.fromkeys(Lane, 0.0)
        for lane in Lane:
            if first := self._sources[lane].first or self.queues[lane].peek():
                with suppress(ContractError):  # it becomes a dead letter when its turn comes
                    waited[lane] = max(0.0, (now - read_envelope(first.body).time).total_seconds())
        return waited

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

    async def _claim(self, lane: Lane, wanted: int) -> None:
        def ready(claims: Sequence[Claim]) -> None:
            self.prepare(claims[:MOST_PREPARED])
            self._ready[lane].extend(claims)

        if lane not in self.due:
            await self._sources[lane].claim(wanted, ready)
            return
        due = await self.ledger.claim_due(lane, wanted)
        ready(due)
        left = self.due.pop(lane, 0) - len(due)
        if left > 0 and len(due) == wanted:
            self.due[lane] = left


class Refusals:
    """Messages that cannot be claimed. Settling one publishes it elsewhere, which a blocked broker holds up."""

    def __init__(self) -> None:
        self._settling: set[asyncio.Task[None]] = set()

    def settle(self, message: LaneMessage, error: BaseException) -> None:
        """Settle the message while others are claimed; after a bug it is retried, later each time."""
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
    """Lane of broadcasts, which claims the recipients of one batch after the other; a message may start a follow-up.

    A batch is settled as soon as its last recipient is claimed: the rows are committed, and a redelivery skips them.
    """

    ledger: Ledger
    queue: LaneQueue
    refusals: Refusals = field(default_factory=Refusals, init=False)
    first: LaneMessage | None = field(default=None, init=False)
    _batch: Batch | None = field(default=None, init=False)

    @property
    def available(self) -> int:
        """Return the recipients left to claim; a batch that has not been decoded counts as a full one."""
        in_hand = self._batch.remaining if self._batch else MAX_BATCH_RECIPIENTS if self.first else 0
        return in_hand + self.queue.waiting * MAX_BATCH_RECIPIENTS

    async def claim(self, wanted: int, ready: Callable[[Sequence[Claim]], None], *, wait: bool = False) -> None:
        """Claim up to `wanted` recipients of one batch; after ineligible ones, all others wait in the ledger.

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
                passing = self._batch.ineligible
                count = self._batch.remaining if passing else wanted
                claims = await self.ledger.claim_batch(self._batch, count, wait=wait or passing)
                ready(claims)
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
        read: Message = decode(message.body)
        match read:
            case BroadcastBatch():
                batch = Batch(read, build_template_body(read.template))
                await self.ledger.register(read, batch.content)
                return batch
            case BroadcastFollowUp():
                await self.ledger.begin_follow_up(read, build_template_body(read.template))
                return None
            case _:
                raise ContractError(f"expected {BroadcastBatch.TYPE} or {BroadcastFollowUp.TYPE}")


OpenedReply = tuple[LaneMessage, AskedReply]


@dataclass(kw_only=True)
class ReplyLane:
    """Lane that claims replies in the order of arrival; each is settled as soon as it is claimed.

    `_opened` are decoded and not claimed yet.
    """

    ledger: Ledger
    queue: LaneQueue
    refusals: Refusals = field(default_factory=Refusals, init=False)
    _opened: deque[OpenedReply] = field(default_factory=deque, init=False)

    @property
    def available(self) -> int:
        return len(self._opened) + self.queue.waiting

    @property
    def first(self) -> LaneMessage | None:
        return self._opened[0][0] if self._opened else None

    async def claim(self, wanted: int, ready: Callable[[Sequence[Claim]], None], *, wait: bool = False) -> None:
        """Claim up to `wanted` replies, fewer if some are already claimed. Raises DependencyUnavailable."""
        self._opened = deque(opened for opened in self._opened if opened[0].alive)
        while len(self._opened) < wanted and (message := self.queue.take()):
            try:
                self._opened.append((message, _read_reply(message.body)))
            except Exception as error:
                self.refusals.settle(message, error)

        async def claim(replies: Sequence[OpenedReply]) -> None:
            ready(await self._claim([asked for _, asked in replies], wait=wait))
            for opened in replies:
                self._opened.remove(opened)
                await opened[0].settle(Done())

        async def reject(opened: OpenedReply, error: InvalidDataError) -> None:
            self._opened.remove(opened)
            self.refusals.settle(opened[0], error.__cause__ or error)

        if self._opened:
            await store_bisected(list(self._opened)[:wanted], claim, reject)

    async def _claim(self, replies: Sequence[AskedReply], *, wait: bool) -> list[Claim]:
        try:
            return await self.ledger.claim_replies(replies, wait=wait)
        except (DependencyUnavailable, InvalidDataError):
            raise
        except Exception as error:
            raise InvalidDataError("a bug") from error  # so that they are halved until one reply is alone


def _read_reply(body: bytes) -> AskedReply:
    envelope = read_envelope(body)
    reply = read_data(envelope, ReplyRequested)
    build_reply_body(reply.text, reply.buttons, reply.menu)
    return reply, envelope.time
