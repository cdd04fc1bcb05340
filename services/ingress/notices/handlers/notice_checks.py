"""Checks of a notice that only the subscriptions service can make, requested before the notice is published."""

import asyncio
from dataclasses import dataclass, field
from uuid import uuid4

import msgspec

from services.ingress.notices.domain.validation import Caller
from services.ingress.notices.ports import NoticeNotStored, NoticeOutbox
from shared.contracts.envelope import Envelope, encode, read_envelope
from shared.contracts.events import NoticeChecked
from shared.contracts.notices import NoticeCheck
from shared.runtime.clock import Clock

ANSWER_TIMEOUT_SECONDS = 2.0
MAX_PENDING_CHECKS = 200


@dataclass
class NoticeCheckClient:
    """Client of the notice check: requests go out through the broker, answers are read from its stream."""

    outbox: NoticeOutbox
    clock: Clock
    _pending: dict[tuple[str, str], asyncio.Future[NoticeChecked]] = field(default_factory=dict)

    async def check(self, event: Envelope, caller: Caller) -> NoticeChecked | None:
        """Return what would happen to the event; None if no answer comes in time, or too many checks are pending."""
        if len(self._pending) >= MAX_PENDING_CHECKS:
            return None
        name = event.source, uuid4().hex
        self._pending[name] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                await self.outbox.store(caller.stamp(self._build_check(event, name[1])))
                return await self._pending[name]
        except (TimeoutError, NoticeNotStored):
            return None
        finally:
            del self._pending[name]

    def _build_check(self, event: Envelope, identifier: str) -> Envelope:
        message = NoticeCheck(event=msgspec.json.decode(msgspec.json.encode(event)))
        return read_envelope(encode(message, event_id=identifier, source=event.source, time=self.clock()))

    def resolve(self, answer: NoticeChecked) -> None:
        """Pass an answer to its pending check; ignore answers to requests of another process."""
        waiting = self._pending.get((answer.source, answer.event))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
