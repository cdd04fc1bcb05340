"""What is done with notices that come in."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.ingress.door.domain.judging import Caller, judge, outlook, receipt
from services.ingress.door.domain.receipts import Outlook, Receipt
from services.ingress.door.domain.refusals import Kind, Refusal, later
from services.ingress.door.domain.writing import Request, Written, read_request
from services.ingress.door.handlers.board import Board
from services.ingress.door.handlers.questions import QuestionService
from services.ingress.door.ports import Meter, NotStored, Outbox
from shared.contracts.envelope import Envelope
from shared.contracts.events import NoticeChecked
from shared.municipal.configuration import Configuration
from shared.municipal.identity import USED
from shared.runtime.clock import Clock

AGAIN_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Takes notices in."""

    configuration: Configuration
    outbox: Outbox
    board: Board
    questions: QuestionService
    clock: Clock
    meter: Meter

    def read(self, request: Request, caller: Caller) -> Written:
        """The events in a request, none of which has a problem. Raises Refusal."""
        written = read_request(request, caller.system)
        known = frozenset(n for n, event in enumerate(written.events) if self.board.is_repeat(event, caller))
        judge(written, caller, self.configuration, self.clock(), known=known)
        used = [n for n, event in enumerate(written.events) if self.board.is_used(event, caller)]
        if used:
            raise Refusal(Kind.INVALID, errors=[written.error(written.translate(USED), place) for place in used])
        return written

    async def check(self, request: Request, caller: Caller) -> tuple[Written, Sequence[Outlook]]:
        """What would become of them. Raises Refusal."""
        written = self.read(request, caller)
        told = await asyncio.gather(*(self._ask(written, place, caller) for place in range(len(written.events))))
        errors = [
            written.error(written.translate(problem), place)
            for place, checked in enumerate(told)
            for problem in (checked.problems if checked else ())
        ]
        if errors:
            raise Refusal(Kind.INVALID, errors=errors)
        return written, [outlook(event, checked) for event, checked in zip(written.events, told, strict=True)]

    async def _ask(self, written: Written, place: int, caller: Caller) -> NoticeChecked | None:
        """Nobody can tell what a notice that comes earlier in the same batch will have done."""
        event = written.events[place]
        earlier = {(one.source, one.subject) for one in written.events[:place]}
        return None if (event.source, event.subject) in earlier else await self.questions.ask(event, caller)

    async def take(self, request: Request, caller: Caller) -> tuple[Written, Sequence[Receipt]]:
        """Return when the broker has all of them. Raises Refusal; then some of a batch may be stored nevertheless."""
        written = self.read(request, caller)
        for event in written.events:  # one after the other, since a batch may publish a notice and change it
            await self._store(caller.signed(event))
            self.board.published(event, caller)
        return written, [receipt(event) for event in written.events]

    async def _store(self, event: Envelope) -> None:
        try:
            await self.outbox.store(event)
        except NotStored:
            detail = "The broker did not confirm. Repeat the same request: nothing is sent twice."
            raise later(Kind.UNAVAILABLE, detail, AGAIN_SECONDS) from None
        self.meter.stored(event.type)
