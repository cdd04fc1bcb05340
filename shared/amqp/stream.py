"""Reading a stream: everything that it still holds from some moment on, and then whatever comes.

Each reader reads for itself, and nothing is used up. Who reads again finds the same messages at the same places.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from yarl import URL

from shared.amqp.connection import CONNECTION_ERRORS, HEARTBEAT_INTERVAL_SECONDS, RECONNECT_DELAY_SECONDS

PREFETCH_COUNT = 200
LAST_OFFSET_TIMEOUT_SECONDS = 1.0
RENEW_INTERVAL_SECONDS = 60.0

_log = structlog.get_logger()


Take = Callable[[AbstractIncomingMessage], Awaitable[object]]


class StreamRecord(NamedTuple):
    """A message and its place in the stream; `login` is its publisher, as the broker vouches for it."""

    offset: int
    body: bytes
    login: str | None
    content_type: str | None
    headers: dict[str, Any]


@dataclass
class StreamReader:
    """Begins with what is not older than `begin`, such as `7D`, or at that place."""

    url: str
    password: str | None
    name: str
    stream: str
    begin: str | int
    _next: int | None = field(default=None, init=False)
    _end: int | None = field(default=None, init=False)
    _connected: bool = field(default=False, init=False)

    @property
    def next_offset(self) -> int | None:
        """Where the next message will be; None before the first."""
        return self._next

    @property
    def is_current(self) -> bool:
        """Whether all that was in the stream when we came has been taken, and we still read."""
        return self._connected and (self._end is None or (self._next is not None and self._next > self._end))

    async def run(self, take: Callable[[StreamRecord], None]) -> None:
        """Give every message to `take`, in order, for ever; goes on where it was when the broker comes back."""
        while True:
            try:
                await self._read(take)
            except CONNECTION_ERRORS as error:
                _log.warning("stream_unavailable", stream=self.stream, error=type(error).__name__)
                self._connected = False
                await asyncio.sleep(RECONNECT_DELAY_SECONDS)

    async def _read(self, take: Callable[[StreamRecord], None]) -> None:
        """For a while: a consumer that the broker dropped without a word is replaced like this."""
        async with await self._connect() as connection:
            closed = asyncio.Event()
            if not self._connected:
                self._end = await self._find_last_offset(connection)
            offset = self.begin if self._next is None else self._next
            channel = await self._consume(connection, offset, partial(self._take_message, take))
            for ending in (connection, channel):
                ending.close_callbacks.add(lambda *_: closed.set())
            self._connected = True
            await _wait_for_renewal(closed)

    async def _connect(self) -> AbstractConnection:
        target = URL(self.url).with_password(self.password) if self.password else URL(self.url)
        return await aio_pika.connect(
            target.update_query({"heartbeat": str(HEARTBEAT_INTERVAL_SECONDS)}),
            timeout=10,
            client_properties={"connection_name": self.name},
        )

    async def _consume(self, connection: AbstractConnection, offset: int | str, take: Take) -> AbstractChannel:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=PREFETCH_COUNT)
        queue = await channel.get_queue(self.stream, ensure=False)
        await queue.consume(take, arguments={"x-stream-offset": offset})
        return channel

    async def _find_last_offset(self, connection: AbstractConnection) -> int | None:
        """The place where the last messages of the stream begin; None if there are none."""
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def note(incoming: AbstractIncomingMessage) -> None:
            if not found.done():
                found.set_result(_read_offset(incoming))

        channel = await self._consume(connection, "last", note)
        try:
            async with asyncio.timeout(LAST_OFFSET_TIMEOUT_SECONDS):
                return await found
        except TimeoutError:
            return None
        finally:
            await channel.close()

    async def _take_message(self, take: Callable[[StreamRecord], None], incoming: AbstractIncomingMessage) -> None:
        place = _read_offset(incoming)
        self._next = place + 1
        take(StreamRecord(place, incoming.body, incoming.user_id, incoming.content_type, dict(incoming.headers)))
        await incoming.ack()


def _read_offset(incoming: AbstractIncomingMessage) -> int:
    place = incoming.headers.get("x-stream-offset")
    assert isinstance(place, int)  # noqa: S101 - the broker says so of every message of a stream
    return place


async def _wait_for_renewal(closed: asyncio.Event) -> None:
    """Return when it is time to begin anew. Raises ConnectionError if the connection has ended before."""
    try:
        async with asyncio.timeout(RENEW_INTERVAL_SECONDS):
            await closed.wait()
    except TimeoutError:
        return
    raise ConnectionError
