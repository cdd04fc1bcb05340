"""What became of events that were published: heard from the broker, written down in the folder."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import structlog

from cli.feeds.folder import Folder
from shared.amqp.stream import Streamed, StreamReader
from shared.amqp.topology import ANSWERS
from shared.contracts.envelope import ContractError, decode
from shared.contracts.events import NoticeAccepted, NoticeRejected
from shared.outcome import DependencyAway

KEPT_SECONDS = 14 * 86_400
POLL_INTERVAL_SECONDS = 0.2
READ_TIMEOUT_SECONDS = 10.0
CLOCK_SKEW_SECONDS = 60
OpenAnswers = Callable[[int | str], StreamReader]


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """Only answers to events of `source` that `system` has published concern us; the stream has those of everybody."""

    source: str
    system: str
    folder: Folder
    open_answers: OpenAnswers

    async def hear(self) -> Counter[str]:
        """All that was said so far: how many events of each origin were rejected. Raises DependencyAway."""
        self.folder.forget_sent(time.time() - KEPT_SECONDS)
        return await self.hear_all(0)

    async def hear_all(self, seconds: float) -> Counter[str]:
        """The same until every event is answered, or the time is over. Raises DependencyAway."""
        return await self._hear_while(lambda: bool(self.folder.unanswered()), seconds)

    async def hear_until(self, event_id: str, seconds: float) -> None:
        """Until this one is answered, or the time is over. Raises DependencyAway."""
        await self._hear_while(lambda: self.folder.is_unanswered(event_id), seconds)

    async def _hear_while(self, waits: Callable[[], bool], seconds: float) -> Counter[str]:
        """At least once what was said up to now."""
        rejected: Counter[str] = Counter()
        if not waits():
            return rejected
        reader = self.open_answers(self._begin())
        async with _reading(reader, partial(self._take, rejected)):
            until = time.monotonic() + seconds
            await _read_all(reader)
            while waits() and time.monotonic() < until:  # noqa: ASYNC110 (files say whether something waits)
                await asyncio.sleep(POLL_INTERVAL_SECONDS)
        if reader.next_place is not None:
            self.folder.remember_answers(reader.next_place)
        return rejected

    def _begin(self) -> int | str:
        """Where hearing ended last; at first, what was said since the oldest event was published."""
        place = self.folder.answers_heard()
        if place is not None:
            return place
        age = time.time() - self.folder.oldest_sent()
        return f"{int(age) + CLOCK_SKEW_SECONDS}s"

    def _take(self, rejected: Counter[str], said: Streamed) -> None:
        """What is heard twice, because we died before its place was written down, changes nothing."""
        origin = self._settle(said.body)
        if origin is not None:
            rejected[origin] += 1

    def _settle(self, body: bytes) -> str | None:
        """Write it down; the origin of an event that was rejected."""
        try:
            message = decode(body)
        except ContractError:
            return None
        if not isinstance(message, NoticeAccepted | NoticeRejected) or message.source != self.source:
            return None
        if isinstance(message, NoticeRejected) and not message.is_for(self.system):
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


@asynccontextmanager
async def _reading(reader: StreamReader, take: Callable[[Streamed], None]) -> AsyncIterator[None]:
    """While the block runs, everything that the stream has goes to `take`."""
    reading = asyncio.create_task(reader.run(take))
    try:
        yield
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


async def _read_all(reader: StreamReader) -> None:
    """Return when nothing more comes. Raises DependencyAway."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_SECONDS):
            read = None
            while not reader.is_current or reader.next_place != read:
                read = reader.next_place
                await asyncio.sleep(POLL_INTERVAL_SECONDS)
    except TimeoutError:
        raise DependencyAway(f"cannot read {ANSWERS}") from None


def answers_at(url: str, *, password: str | None, name: str) -> OpenAnswers:
    """The stream of answers, from some place on."""
    return partial(StreamReader, url, password, name, ANSWERS)
