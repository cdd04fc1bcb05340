"""What became of events that were published: heard from the broker, written down in the folder."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import structlog

from cli.feeds.folder import Folder
from shared.amqp.answers import KEPT_SECONDS, answers_of
from shared.amqp.connection import connect
from shared.amqp.kept import KeptQueues, open_kept
from shared.contracts.envelope import ContractError, decode
from shared.contracts.events import NoticeAccepted, NoticeRejected

AT_ONCE = 1_000
LOOK_SECONDS = 0.2
OpenAnswers = Callable[[], AbstractAsyncContextManager[KeptQueues]]


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """Only answers to events of `source` concern us; the queue has those of everybody."""

    source: str
    folder: Folder
    open_answers: OpenAnswers

    async def hear(self) -> Counter[str]:
        """All that was said so far: how many events of each origin were rejected. Raises DependencyAway."""
        rejected: Counter[str] = Counter()
        self.folder.forget_sent(time.time() - KEPT_SECONDS)
        if self.folder.unanswered():
            async with self.open_answers() as answers:
                await self._take(answers, rejected)
        return rejected

    async def hear_all(self, seconds: float) -> Counter[str]:
        """The same until every event is answered, or the time is over. Raises DependencyAway."""
        return await self._hear_while(lambda: bool(self.folder.unanswered()), seconds)

    async def hear_until(self, event_id: str, seconds: float) -> None:
        """Until this one is answered, or the time is over. Raises DependencyAway."""
        await self._hear_while(lambda: self.folder.is_unanswered(event_id), seconds)

    async def _hear_while(self, waits: Callable[[], bool], seconds: float) -> Counter[str]:
        rejected: Counter[str] = Counter()
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if not waits():
            return rejected
        async with self.open_answers() as answers:
            await self._take(answers, rejected)
            while waits() and loop.time() < until:
                await asyncio.sleep(LOOK_SECONDS)
                await self._take(answers, rejected)
        return rejected

    async def _take(self, answers: KeptQueues, rejected: Counter[str]) -> None:
        async for kept in answers.messages(AT_ONCE):
            origin = self._settle(kept.body)
            if origin is not None:
                rejected[origin] += 1
            await kept.remove()

    def _settle(self, body: bytes) -> str | None:
        """Write it down; the origin of an event that was rejected."""
        try:
            message = decode(body)
        except ContractError:
            return None
        if not isinstance(message, NoticeAccepted | NoticeRejected) or message.source != self.source:
            return None
        if isinstance(message, NoticeAccepted) or _was_obeyed_before(message):
            self.folder.answered(message.event)
            return None
        sent = self.folder.rejected(message.event, message.problems)
        if sent is None:
            return None
        fields = [problem.field for problem in message.problems]
        # Asked for anew: whoever ran a command in this process before may have had logs elsewhere.
        structlog.get_logger().error("feed_rejected", feed=sent, notice=message.notice, fields=fields)
        return sent


def _was_obeyed_before(message: NoticeRejected) -> bool:
    """Our ids stand for a notice and its revision: one that was used is this one, decided on again without a memory."""
    return {problem.field for problem in message.problems} == {"id"}


def answers_at(url: str, *, password: str | None, login: str, name: str) -> OpenAnswers:
    """The queue that `open_amqp_door` declares."""

    @asynccontextmanager
    async def open_answers() -> AsyncIterator[KeptQueues]:
        async with (
            connect(url, password=password, name=name) as connection,
            open_kept(connection, [answers_of(login)]) as kept,
        ):
            yield kept

    return open_answers
