"""How far a broadcast is, said again to whoever has just published the same event again."""

from collections.abc import Awaitable, Callable

from services.dispatcher.handlers.maintenance import progress_event
from services.dispatcher.ports import Ledger
from shared.contracts.events import BroadcastCancelled, NoticeAccepted
from shared.contracts.message import Message
from shared.runtime.message_handler import MessageHandler


class QuestionHandler(MessageHandler):
    """A notice that is accepted for the first time has a broadcast that nobody knows yet: then nothing is said."""

    def __init__(self, *, ledger: Ledger, publish: Callable[[Message], Awaitable[None]]) -> None:
        self._ledger = ledger
        self._publish = publish

    async def _act(self, message: Message) -> None:
        if not isinstance(message, NoticeAccepted) or message.broadcast is None:
            return
        course = await self._ledger.course(message.broadcast)
        if course is None:
            return
        await self._publish(progress_event(course.progress))
        if course.cancelled is not None:
            told = BroadcastCancelled(
                broadcast=message.broadcast, source=message.source, notice=message.notice, reason=course.cancelled
            )
            await self._publish(told)
