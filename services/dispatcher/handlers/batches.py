"""A lane of broadcasts: each message is a batch of recipients, claimed a few at a time, or begins a follow-up."""

from collections import deque

import structlog

from services.dispatcher.domain.content import ContentError, template_body
from services.dispatcher.ports import Batch, Claim, LaneMessage, LaneQueue, Ledger, Origin
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp
from shared.contracts.envelope import ContractError, decode
from shared.contracts.message import Message
from shared.outcome import Dead, Done

RECIPIENTS_IN_A_BATCH = 100

_log = structlog.get_logger()


class BatchLane:
    """Claims the recipients of one batch after the other."""

    def __init__(self, *, ledger: Ledger, queue: LaneQueue) -> None:
        self._ledger = ledger
        self._queue = queue
        self._batch: Batch | None = None
        self._unregistered: LaneMessage | None = None

    @property
    def available(self) -> int:
        """A batch that has not been opened counts as a full one; opening it will tell."""
        in_hand = self._batch.left if self._batch else 0
        unregistered = RECIPIENTS_IN_A_BATCH if self._unregistered else 0
        return in_hand + unregistered + self._queue.waiting * RECIPIENTS_IN_A_BATCH

    async def claim(self, wanted: int, ready: deque[Claim]) -> None:
        """Append claims of up to `wanted` recipients of one batch; some may not get it. Raises DependencyAway."""
        batch = await self._current()
        if batch is None:
            return
        claims = await self._ledger.claim_batch(batch, wanted)
        batch.position += len(batch.next(wanted))
        batch.origin.open += len(claims)
        ready.extend(claims)
        await self._close_if_exhausted(batch)

    async def _close_if_exhausted(self, batch: Batch) -> None:
        if batch.left:
            return
        self._batch = None
        batch.origin.exhausted = True
        if batch.origin.complete:
            await batch.origin.message.settle(Done())

    async def _current(self) -> Batch | None:
        """The batch in hand, or the next one that can be used."""
        if self._batch and self._batch.origin.message.alive:
            return self._batch
        self._batch = None
        while message := self._next_message():
            self._unregistered = message
            self._batch = await self._open(message)
            self._unregistered = None
            if self._batch:
                return self._batch
        return None

    def _next_message(self) -> LaneMessage | None:
        """One that could not be registered while the database was away comes first."""
        waiting, self._unregistered = self._unregistered, None
        return waiting if waiting and waiting.alive else self._queue.take()

    async def _open(self, message: LaneMessage) -> Batch | None:
        """A batch that is registered; None if the message is no batch, and settled. Raises DependencyAway."""
        try:
            return await self._register(message, decode(message.body))
        except (ContractError, ContentError) as error:
            _log.error("batch_unusable", problem=str(error))
            await message.settle(Dead(str(error)))
            return None

    async def _register(self, message: LaneMessage, read: Message) -> Batch | None:
        match read:
            case BroadcastBatch():
                batch = Batch(Origin(message), read, template_body(read.template))
                await self._ledger.register(read, batch.content)
                return batch
            case BroadcastFollowUp():
                await self._ledger.begin_follow_up(read, template_body(read.template))
                await message.settle(Done())
                return None
            case _:
                raise ContractError(f"expected {BroadcastBatch.TYPE} or {BroadcastFollowUp.TYPE}")
