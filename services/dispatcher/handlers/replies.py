"""Lane of replies: each message is one reply, settled as soon as it is claimed."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog

from services.dispatcher.domain.content import ContentError, build_reply_body
from services.dispatcher.ports import Claim, LaneMessage, LaneQueue, Ledger
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.envelope import ContractError, read_data, read_envelope
from shared.outcome import Dead, Done, InvalidDataError
from shared.runtime.bisection import store_bisected

_log = structlog.get_logger()


class OpenedReply(NamedTuple):
    """A decoded reply that is not claimed yet. `asked_at` is the time of the decision to send it."""

    message: LaneMessage
    reply: ReplyRequested
    asked_at: datetime


class ReplyLane:
    """Lane that claims replies in the order of arrival."""

    def __init__(self, *, ledger: Ledger, queue: LaneQueue) -> None:
        self._ledger = ledger
        self._queue = queue
        self._opened: deque[OpenedReply] = deque()

    @property
    def available(self) -> int:
        return len(self._opened) + self._queue.waiting

    @property
    def first(self) -> LaneMessage | None:
        return self._opened[0].message if self._opened else None

    async def claim(self, wanted: int, ready: Callable[[Sequence[Claim]], None]) -> None:
        """Claim up to `wanted` replies, fewer if some are already claimed. Raises DependencyUnavailable."""
        self._opened = deque(opened for opened in self._opened if opened.message.alive)
        while len(self._opened) < wanted and (message := self._queue.take()):
            opened = await _open(message)
            if opened:
                self._opened.append(opened)

        async def claim(replies: Sequence[OpenedReply]) -> None:
            ready(await self._ledger.claim_replies([(one.reply, one.asked_at) for one in replies]))
            for one in replies:
                self._opened.remove(one)
                await one.message.settle(Done())

        async def reject(opened: OpenedReply, error: InvalidDataError) -> None:
            self._opened.remove(opened)
            await _reject(opened.message, error)

        if self._opened:
            await store_bisected(list(self._opened)[:wanted], claim, reject)


async def _open(message: LaneMessage) -> OpenedReply | None:
    try:
        envelope = read_envelope(message.body)
        reply = read_data(envelope, ReplyRequested)
        build_reply_body(reply.text, reply.buttons, reply.menu)
    except (ContractError, ContentError) as error:
        await _reject(message, error)
        return None
    return OpenedReply(message, reply, envelope.time)


async def _reject(message: LaneMessage, error: Exception) -> None:
    _log.error("reply_unusable", problem=str(error))
    await message.settle(Dead(str(error)))
