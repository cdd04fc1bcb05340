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

from shared.amqp.connection import AWAY, HEARTBEAT_SECONDS, RECONNECT_SECONDS

AT_ONCE = 200
LAST_SECONDS = 1.0
ANEW_SECONDS = 60.0

_log = structlog.get_logger()


Take = Callable[[AbstractIncomingMessage], Awaitable[object]]


class Streamed(NamedTuple):
    """A message and its place in the stream; `login` is its publisher, as the broker vouches for it."""

    place: int
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
    def next_place(self) -> int | None:
        """Where the next message will be; None before the first."""
        return self._next

    @property
    def is_current(self) -> bool:
        """Whether all that was in the stream when we came has been taken, and we still read."""
        return self._connected and (self._end is None or (self._next is not None and self._next > self._end))

    async def run(self, take: Callable[[Streamed], None]) -> None:
        """Give every message to `take`, in order, for ever; goes on where it was when the broker comes back."""
        while True:
            try:
                await self._read(take)
            except AWAY as error:
                _log.warning("stream_away", stream=self.stream, error=type(error).__name__)
                self._connected = False
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _read(self, take: Callable[[Streamed], None]) -> None:
        """For a while: a consumer that the broker dropped without a word is replaced like this."""
        async with await self._connect() as connection:
            closed = asyncio.Event()
            if not self._connected:
                self._end = await self._last(connection)
            offset = self.begin if self._next is None else self._next
            channel = await self._consume(connection, offset, partial(self._arrived, take))
            for ending in (connection, channel):
                ending.close_callbacks.add(lambda *_: closed.set())
            self._connected = True
            await _until(closed)

    async def _connect(self) -> AbstractConnection:
        target = URL(self.url).with_password(self.password) if self.password else URL(self.url)
        return await aio_pika.connect(
            target.update_query({"heartbeat": str(HEARTBEAT_SECONDS)}),
            timeout=10,
            client_properties={"connection_name": self.name},
        )

    async def _consume(self, connection: AbstractConnection, offset: int | str, take: Take) -> AbstractChannel:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=AT_ONCE)
        queue = await channel.get_queue(self.stream, ensure=False)
        await queue.consume(take, arguments={"x-stream-offset": offset})
        return channel

    async def _last(self, connection: AbstractConnection) -> int | None:
        """The place where the last messages of the stream begin; None if there are none."""
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def note(incoming: AbstractIncomingMessage) -> None:
            if not found.done():
                found.set_result(_place(incoming))

        channel = await self._consume(connection, "last", note)
        try:
            async with asyncio.timeout(LAST_SECONDS):
                return await found
        except TimeoutError:
            return None
        finally:
            await channel.close()

    async def _arrived(self, take: Callable[[Streamed], None], incoming: AbstractIncomingMessage) -> None:
        place = _place(incoming)
        self._next = place + 1
        take(Streamed(place, incoming.body, incoming.user_id, incoming.content_type, dict(incoming.headers)))
        await incoming.ack()


def _place(incoming: AbstractIncomingMessage) -> int:
    place = incoming.headers.get("x-stream-offset")
    assert isinstance(place, int)  # noqa: S101 - the broker says so of every message of a stream
    return place


async def _until(closed: asyncio.Event) -> None:
    """Return when it is time to begin anew. Raises ConnectionError if the connection has ended before."""
    try:
        async with asyncio.timeout(ANEW_SECONDS):
            await closed.wait()
    except TimeoutError:
        return
    raise ConnectionError
