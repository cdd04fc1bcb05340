"""AMQP client of a municipal system: publishes events, and records their answers in the state folder."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import structlog

from services.feeds.folder import StateFolder
from shared.amqp.connection import connect
from shared.amqp.publisher import Publisher, open_publisher
from shared.amqp.stream import StreamReader, StreamRecord
from shared.amqp.topology import ANSWERS, MUNICIPAL_EVENTS
from shared.contracts.envelope import MESSAGES, ContractError, Envelope, decode
from shared.contracts.events import NoticeAccepted, NoticeRejected
from shared.outcome import DependencyUnavailable, Unroutable

RETENTION_SECONDS = 14 * 86_400
POLL_INTERVAL_SECONDS = 0.2
READ_TIMEOUT_SECONDS = 10.0
CLOCK_SKEW_SECONDS = 60
OpenAnswers = Callable[[int | str], StreamReader]


@dataclass(frozen=True, kw_only=True)
class NoticePublisher:
    """Publisher with `login`, which the broker verifies as `user_id`."""

    publisher: Publisher
    login: str

    async def publish(self, event: bytes, envelope: Envelope) -> None:
        """Publish the event; return once Kreisfunk has stored it.

        Raises DependencyUnavailable; publishing the same event again is safe.
        """
        try:
            await self.publisher.publish(
                MUNICIPAL_EVENTS,
                MESSAGES[envelope.type].KEY,
                event,
                message_id=envelope.id,
                user_id=self.login,
            )
        except Unroutable as error:
            raise DependencyUnavailable(str(error)) from None


OpenPublisher = Callable[[], AbstractAsyncContextManager[NoticePublisher]]


@asynccontextmanager
async def open_notice_publisher(
    url: str, *, password: str | None, login: str, name: str
) -> AsyncIterator[NoticePublisher]:
    """Connect and open a publisher; `name` is the connection's name in RabbitMQ's management UI.

    Raises DependencyUnavailable.
    """
    async with connect(url, password=password, name=name) as connection, open_publisher(connection) as publisher:
        yield NoticePublisher(publisher=publisher, login=login)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Reader of answers to events of `source` that `system` published, from the stream of all systems."""

    source: str
    system: str
    folder: StateFolder
    open_answers: OpenAnswers

    async def read_new(self) -> Counter[str]:
        """Record new answers; return the number of rejected events per origin. Raises DependencyUnavailable."""
        self.folder.purge_sent(time.time() - RETENTION_SECONDS)
        return await self.wait_for_all(0)

    async def wait_for_all(self, seconds: float) -> Counter[str]:
        """Record answers until every event is answered or `seconds` have passed.

        Returns the rejected events per origin. Raises DependencyUnavailable.
        """
        return await self._read_while(lambda: bool(self.folder.list_unanswered()), seconds)

    async def wait_for_event(self, event_id: str, seconds: float) -> None:
        """Record answers until this event is answered or `seconds` have passed. Raises DependencyUnavailable."""
        await self._read_while(lambda: self.folder.is_unanswered(event_id), seconds)

    async def _read_while(self, is_waiting: Callable[[], bool], seconds: float) -> Counter[str]:
        """Read to the current end of the stream, then on while `is_waiting` returns True, for at most `seconds`."""
        rejected: Counter[str] = Counter()
        if not is_waiting():
            return rejected
        reader = self.open_answers(self._get_start())
        async with _run_reader(reader, partial(self._apply, rejected)):
            deadline = time.monotonic() + seconds
            await _read_all(reader)
            while is_waiting() and time.monotonic() < deadline:  # noqa: ASYNC110 (the state is in files)
                await asyncio.sleep(POLL_INTERVAL_SECONDS)
        if reader.next_offset is not None:
            self.folder.save_answers_offset(reader.next_offset)
        return rejected

    def _get_start(self) -> int | str:
        """Return the stored offset; without one, the timespan back to the oldest unanswered event."""
        offset = self.folder.read_answers_offset()
        if offset is not None:
            return offset
        age = time.time() - self.folder.find_oldest_sent()
        return f"{int(age) + CLOCK_SKEW_SECONDS}s"

    def _apply(self, rejected: Counter[str], record: StreamRecord) -> None:
        """Apply one answer; this may repeat after a crash before the offset was saved."""
        origin = self._record(record.body)
        if origin is not None:
            rejected[origin] += 1

    def _record(self, body: bytes) -> str | None:
        """Record one answer; return the origin of the event if it was rejected."""
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
        origin = self.folder.mark_rejected(message.event, message.problems)
        if origin is None:
            return None
        fields = [problem.field for problem in message.problems]
        # No module-level logger: an earlier command in this process may have configured the logs differently.
        structlog.get_logger().error("feed_rejected", feed=origin, notice=message.notice, fields=fields)
        return origin


def _is_repeated(message: NoticeRejected) -> bool:
    """Return whether only the id was rejected, because it was used before.

    Our ids consist of notice and revision: a used id means the same event, evaluated again after the state was lost.
    """
    return {problem.field for problem in message.problems} == {"id"}


@asynccontextmanager
async def _run_reader(reader: StreamReader, handle: Callable[[StreamRecord], None]) -> AsyncIterator[None]:
    """Pass all records of the stream to `handle` until the block ends."""
    task = asyncio.create_task(reader.run(handle))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _read_all(reader: StreamReader) -> None:
    """Wait for the end of the stream; raise DependencyUnavailable after READ_TIMEOUT_SECONDS."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_SECONDS):
            last_offset = None
            while not reader.is_current or reader.next_offset != last_offset:
                last_offset = reader.next_offset
                await asyncio.sleep(POLL_INTERVAL_SECONDS)
    except TimeoutError:
        raise DependencyUnavailable(f"cannot read {ANSWERS}") from None
