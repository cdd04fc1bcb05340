"""How far a broadcast is, said again to whoever has just published the same event again."""

from collections.abc import Awaitable, Callable

from services.dispatcher.handlers.maintenance import progress_event
from services.dispatcher.ports import Ledger
from shared.contracts.envelope import ContractError, decode
from shared.contracts.events import BroadcastCancelled, NoticeAccepted
from shared.contracts.message import Message
from shared.outcome import Dead, Done, Outcome


class QuestionHandler:
    """A notice that is accepted for the first time has a broadcast that nobody knows yet: then nothing is said."""

    def __init__(self, *, ledger: Ledger, publish: Callable[[Message], Awaitable[None]]) -> None:
        self._ledger = ledger
        self._publish = publish

    async def handle(self, body: bytes) -> Outcome:
        """One acceptance. Raises DependencyAway."""
        try:
            accepted = decode(body)
        except ContractError as error:
            return Dead(str(error))
        if isinstance(accepted, NoticeAccepted) and accepted.broadcast is not None:
            await self._tell(accepted)
        return Done()

    async def _tell(self, accepted: NoticeAccepted) -> None:
        assert accepted.broadcast is not None  # noqa: S101 - only a withdrawal has none
        course = await self._ledger.course(accepted.broadcast)
        if course is None:
            return
        await self._publish(progress_event(course.progress))
        if course.cancelled is not None:
            told = BroadcastCancelled(
                broadcast=accepted.broadcast, source=accepted.source, notice=accepted.notice, reason=course.cancelled
            )
            await self._publish(told)
