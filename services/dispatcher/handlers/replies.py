"""The lane of replies: each message is one reply."""

from collections import deque
from datetime import datetime
from typing import NamedTuple

import structlog

from services.dispatcher.domain.content import ContentError, reply_body
from services.dispatcher.ports import Claim, LaneMessage, LaneQueue, Ledger, Origin
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.envelope import ContractError, read_data, read_envelope
from shared.outcome import Dead, Done

_log = structlog.get_logger()


class OpenedReply(NamedTuple):
    """A reply that has been read and not yet claimed. `asked_at` is when it was decided."""

    origin: Origin
    reply: ReplyRequested
    asked_at: datetime


class ReplyLane:
    """Claims replies in the order of arrival."""

    def __init__(self, *, ledger: Ledger, queue: LaneQueue) -> None:
        self._ledger = ledger
        self._queue = queue
        self._opened: deque[OpenedReply] = deque()

    @property
    def available(self) -> int:
        return len(self._opened) + self._queue.waiting

    async def claim(self, wanted: int, ready: deque[Claim]) -> None:
        """Append claims of up to `wanted` replies; fewer if some were claimed before. Raises DependencyAway."""
        await self._open(wanted)
        taken = list(self._opened)[:wanted]
        claims = await self._ledger.claim_replies(taken) if taken else []
        for _ in taken:
            self._opened.popleft()
        ready.extend(claims)
        await _settle(taken, claims)

    async def _open(self, wanted: int) -> None:
        self._opened = deque(opened for opened in self._opened if opened.origin.message.alive)
        while len(self._opened) < wanted and (message := self._queue.take()):
            opened = await _read(message)
            if opened:
                self._opened.append(opened)


async def _read(message: LaneMessage) -> OpenedReply | None:
    try:
        envelope = read_envelope(message.body)
        reply = read_data(envelope, ReplyRequested)
        reply_body(reply.text, reply.buttons, reply.menu)
    except (ContractError, ContentError) as error:
        _log.error("reply_unusable", problem=str(error))
        await message.settle(Dead(str(error)))
        return None
    return OpenedReply(Origin(message, exhausted=True), reply, envelope.time)


async def _settle(taken: list[OpenedReply], claims: list[Claim]) -> None:
    """Settle what needs no sending: it was claimed before, or has expired."""
    claimed = {claim.delivery for claim in claims}
    for opened in taken:
        if opened.reply.reply in claimed:
            opened.origin.open = 1
        else:
            await opened.origin.message.settle(Done())
