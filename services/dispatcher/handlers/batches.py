"""Lane of broadcasts: each message is a batch of recipients, claimed in parts, or starts a follow-up."""

from collections.abc import Callable, Sequence

import structlog

from services.dispatcher.domain.content import ContentError, build_template_body
from services.dispatcher.ports import Batch, Claim, LaneMessage, LaneQueue, Ledger
from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp
from shared.contracts.envelope import ContractError, decode
from shared.contracts.message import Message
from shared.outcome import Dead, Done, InvalidDataError

MAX_BATCH_RECIPIENTS = 100

_log = structlog.get_logger()


class BatchLane:
    """Lane that claims the recipients of one batch after the other.

    A batch is settled as soon as its last recipient is claimed: the rows are committed, and a redelivery skips them.
    """

    def __init__(self, *, ledger: Ledger, queue: LaneQueue) -> None:
        self._ledger = ledger
        self._queue = queue
        self._message: LaneMessage | None = None
        self._batch: Batch | None = None

    @property
    def available(self) -> int:
        """Return the recipients left to claim; a batch that has not been decoded counts as a full one."""
        in_hand = self._batch.remaining if self._batch else MAX_BATCH_RECIPIENTS if self._message else 0
        return in_hand + self._queue.waiting * MAX_BATCH_RECIPIENTS

    @property
    def first(self) -> LaneMessage | None:
        return self._message

    async def claim(self, wanted: int, ready: Callable[[Sequence[Claim]], None]) -> None:
        """Claim up to `wanted` recipients of one batch; some may be ineligible. Raises DependencyUnavailable."""
        if self._message and not self._message.alive:
            self._message = self._batch = None
        self._message = self._message or self._queue.take()
        if self._message is None:
            return
        try:
            self._batch = self._batch or await self._open(self._message)
            if self._batch:
                ready(await self._ledger.claim_batch(self._batch, wanted))
                self._batch.position += len(self._batch.peek_recipients(wanted))
        except (ContractError, ContentError, InvalidDataError) as error:
            _log.error("batch_unusable", problem=str(error))
            await self._settle(Dead(str(error)))
            return
        if self._batch is None or not self._batch.remaining:
            await self._settle(Done())

    async def _settle(self, outcome: Done | Dead) -> None:
        message, self._message, self._batch = self._message, None, None
        if message:
            await message.settle(outcome)

    async def _open(self, message: LaneMessage) -> Batch | None:
        """Register the broadcast of a message; return None if the message contains no recipients."""
        read: Message = decode(message.body)
        match read:
            case BroadcastBatch():
                batch = Batch(read, build_template_body(read.template))
                await self._ledger.register(read, batch.content)
                return batch
            case BroadcastFollowUp():
                await self._ledger.begin_follow_up(read, build_template_body(read.template))
                return None
            case _:
                raise ContractError(f"expected {BroadcastBatch.TYPE} or {BroadcastFollowUp.TYPE}")
