"""What became of events that were published: heard from the broker, written down in the folder."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import structlog

from cli.feeds.state_folder import StateFolder
from shared.amqp.stream import StreamReader, StreamRecord
from shared.amqp.topology import ANSWERS
from shared.contracts.envelope import ContractError, decode
from shared.contracts.events import NoticeAccepted, NoticeRejected
from shared.outcome import DependencyUnavailable

RETENTION_SECONDS = 14 * 86_400
POLL_INTERVAL_SECONDS = 0.2
READ_TIMEOUT_SECONDS = 10.0
CLOCK_SKEW_SECONDS = 60
OpenAnswers = Callable[[int | str], StreamReader]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Only answers to events of `source` that `system` has published concern us; the stream has those of everybody."""

    source: str
    system: str
    folder: StateFolder
    open_answers: OpenAnswers

    async def read_new(self) -> Counter[str]:
        """All that was said so far: how many events of each origin were rejected. Raises DependencyUnavailable."""
        self.folder.purge_sent(time.time() - RETENTION_SECONDS)
        return await self.wait_for_all(0)

    async def wait_for_all(self, seconds: float) -> Counter[str]:
        """The same until every event is answered, or the time is over. Raises DependencyUnavailable."""
        return await self._read_while(lambda: bool(self.folder.list_unanswered()), seconds)

    async def wait_for_event(self, event_id: str, seconds: float) -> None:
        """Until this one is answered, or the time is over. Raises DependencyUnavailable."""
        await self._read_while(lambda: self.folder.is_unanswered(event_id), seconds)

    async def _read_while(self, waits: Callable[[], bool], seconds: float) -> Counter[str]:
        """At least once what was said up to now."""
        rejected: Counter[str] = Counter()
        if not waits():
            return rejected
        reader = self.open_answers(self._get_start())
        async with _run_reader(reader, partial(self._apply, rejected)):
            until = time.monotonic() + seconds
            await _read_all(reader)
            while waits() and time.monotonic() < until:  # noqa: ASYNC110 (files say whether something waits)
                await asyncio.sleep(POLL_INTERVAL_SECONDS)
        if reader.next_offset is not None:
            self.folder.save_answers_offset(reader.next_offset)
        return rejected

    def _get_start(self) -> int | str:
        """Where hearing ended last; at first, what was said since the oldest event was published."""
        place = self.folder.read_answers_offset()
        if place is not None:
            return place
        age = time.time() - self.folder.find_oldest_sent()
        return f"{int(age) + CLOCK_SKEW_SECONDS}s"

    def _apply(self, rejected: Counter[str], said: StreamRecord) -> None:
        """What is heard twice, because we died before its place was written down, changes nothing."""
        origin = self._record(said.body)
        if origin is not None:
            rejected[origin] += 1

    def _record(self, body: bytes) -> str | None:
        """Write it down; the origin of an event that was rejected."""
        try:
            message = decode(body)
        except ContractError:
            return None
        if not isinstance(message, NoticeAccepted | NoticeRejected) or message.source != self.source:
            return None
        if isinstance(message, NoticeRejected) and not message.is_for(self.system):
            return None
        if isinstance(message, NoticeAccepted) or _is_repeated(message):
            self.folder.mark_answered(message.event)
            return None
        sent = self.folder.mark_rejected(message.event, message.problems)
        if sent is None:
            return None
        fields = [problem.field for problem in message.problems]
        # Asked for anew: whoever ran a command in this process before may have had logs elsewhere.
        structlog.get_logger().error("feed_rejected", feed=sent, notice=message.notice, fields=fields)
        return sent


def _is_repeated(message: NoticeRejected) -> bool:
    """Our ids stand for a notice and its revision: one that was used is this one, decided on again without a memory."""
    return {problem.field for problem in message.problems} == {"id"}


@asynccontextmanager
async def _run_reader(reader: StreamReader, take: Callable[[StreamRecord], None]) -> AsyncIterator[None]:
    """While the block runs, everything that the stream has goes to `take`."""
    reading = asyncio.create_task(reader.run(take))
    try:
        yield
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


async def _read_all(reader: StreamReader) -> None:
    """Return when nothing more comes. Raises DependencyUnavailable."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_SECONDS):
            read = None
            while not reader.is_current or reader.next_offset != read:
                read = reader.next_offset
                await asyncio.sleep(POLL_INTERVAL_SECONDS)
    except TimeoutError:
        raise DependencyUnavailable(f"cannot read {ANSWERS}") from None


def build_answers_opener(url: str, *, password: str | None, name: str) -> OpenAnswers:
    """The stream of answers, from some place on."""
    return partial(StreamReader, url, password, name, ANSWERS)
