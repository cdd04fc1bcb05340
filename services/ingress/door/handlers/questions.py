"""What only subscriptions knows about a notice, asked before it is published."""

import asyncio
from dataclasses import dataclass, field
from uuid import uuid4

import msgspec

from services.ingress.door.domain.judging import Caller
from services.ingress.door.ports import NotStored, Outbox
from shared.contracts.envelope import Envelope, encode, read_envelope
from shared.contracts.events import NoticeChecked
from shared.contracts.notices import NoticeCheck
from shared.runtime.clock import Clock

ANSWER_SECONDS = 2.0
MAX_QUESTIONS = 200


@dataclass
class QuestionService:
    """Asks over the broker, and gets the answers that are read from its stream."""

    outbox: Outbox
    clock: Clock
    _asked: dict[tuple[str, str], asyncio.Future[NoticeChecked]] = field(default_factory=dict)

    async def ask(self, event: Envelope, caller: Caller) -> NoticeChecked | None:
        """Return what would become of the event; None if nobody answers, or too many ask."""
        if len(self._asked) >= MAX_QUESTIONS:
            return None
        name = event.source, uuid4().hex
        self._asked[name] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.outbox.store(caller.signed(self._question(event, name[1])))
                return await self._asked[name]
        except (TimeoutError, NotStored):
            return None
        finally:
            del self._asked[name]

    def _question(self, event: Envelope, identifier: str) -> Envelope:
        message = NoticeCheck(event=msgspec.json.decode(msgspec.json.encode(event)))
        return read_envelope(encode(message, event_id=identifier, source=event.source, time=self.clock()))

    def hear(self, answer: NoticeChecked) -> None:
        """An answer, maybe to a question of another process."""
        waiting = self._asked.get((answer.source, answer.event))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
