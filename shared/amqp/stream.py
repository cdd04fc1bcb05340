"""Readers of streams. Reading removes nothing: a second read returns the same messages at the same offsets."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from shared.amqp.connection import (
    CONNECT_TIMEOUT_SECONDS,
    HEARTBEAT_INTERVAL_SECONDS,
    RECONNECT_DELAY_SECONDS,
    BrokerUnavailable,
    convert_connection_errors,
    parse_nodes,
    raise_if_cancelled,
)
from shared.notices.cloudevents import AmqpMessage
from shared.runtime.background import wait_until_set

PREFETCH_COUNT = 200
EMPTY_TIMEOUT_SECONDS = 1.0
MESSAGE_TIMEOUT_SECONDS = 3.0
RENEW_INTERVAL_SECONDS = 60.0

_log = structlog.get_logger()

Receive = Callable[[AbstractIncomingMessage], Awaitable[object]]
Take = Callable[[AmqpMessage, int], None]


@dataclass
class StreamReader:
    """Reader of the messages of a stream that are not older than `max_age`, such as `7D`.

    A stream that was created again, as on a new volume of the broker, is read from its beginning.
    """

    url: str
    password: str | None
    name: str
    stream: str
    max_age: str
    _next: int | None = field(default=None, init=False)
    _end: int | None = field(default=None, init=False)
    _connected: bool = field(default=False, init=False)

    @property
    def is_current(self) -> bool:
        """Return whether the reader is connected and has taken all messages that were in the stream on connecting.

        If all of them are older than `max_age`, it is current after CONNECT_TIMEOUT_SECONDS.
        """
        return self._connected and (self._end is None or (self._next is not None and self._next > self._end))

    async def run(self, take: Take) -> None:
        """Pass every message with its offset, in order, forever; after a broker outage, continue at the same offset."""
        while True:
            try:
                with convert_connection_errors("cannot read"):
                    await self._read(take)
            except BrokerUnavailable as error:
                _log.warning("stream_unavailable", stream=self.stream, error=str(error))
                self._connected = False
                await asyncio.sleep(RECONNECT_DELAY_SECONDS)

    async def _read(self, take: Take) -> None:
        """Read for RENEW_INTERVAL_SECONDS: a new connection replaces a consumer that the broker dropped silently."""
        async with await self._connect() as connection:
            closed = asyncio.Event()
            if not self._connected:
                self._end = await self._find_last_offset(connection)
                await self._reset_if_shorter(connection)
            offset = self.max_age if self._next is None else self._next
            channel = await self._consume(connection, offset, partial(self._take_message, take))
            for closable in (connection, channel):
                closable.close_callbacks.add(lambda *_: closed.set())
            self._connected = True
            raise_if_cancelled()
            if self._next is None and not await wait_until_set(closed, CONNECT_TIMEOUT_SECONDS) and self._next is None:
                self._end = None  # all that it had is older than `max_age`
            await _wait_for_renewal(closed)

    async def _connect(self) -> AbstractConnection:
        node = parse_nodes(self.url, self.password)[0]
        return await aio_pika.connect(
            node.update_query({"heartbeat": str(HEARTBEAT_INTERVAL_SECONDS)}),
            timeout=CONNECT_TIMEOUT_SECONDS,
            client_properties={"connection_name": self.name},
        )

    async def _consume(self, connection: AbstractConnection, offset: int | str, receive: Receive) -> AbstractChannel:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=PREFETCH_COUNT)
        queue = await channel.get_queue(self.stream, ensure=False)
        await queue.consume(receive, arguments={"x-stream-offset": offset})
        return channel

    async def _find_last_offset(self, connection: AbstractConnection) -> int | None:
        """Return the offset at which the last chunk of the stream begins; None if the stream is empty.

        The broker's message count lags by seconds. Raises TimeoutError if it is not 0 and no message arrives.
        """
        channel = await connection.channel()
        queue = await channel.declare_queue(self.stream, passive=True)
        await channel.close()
        if not queue.declaration_result.message_count:
            return await self._find_offset(connection, "last", EMPTY_TIMEOUT_SECONDS)
        offset = await self._find_offset(connection, "last", CONNECT_TIMEOUT_SECONDS)
        if offset is None:
            raise TimeoutError
        return offset

    async def _reset_if_shorter(self, connection: AbstractConnection) -> None:
        """Reset the offset if no message precedes it: the broker would send nothing until the stream is that long."""
        if not self._next or (self._end is not None and self._end >= self._next - 1):
            return
        if self._end is None or await self._find_offset(connection, self._next - 1, MESSAGE_TIMEOUT_SECONDS) is None:
            _log.warning("stream_made_anew", stream=self.stream, offset=self._next)
            self._next = None

    async def _find_offset(self, connection: AbstractConnection, begin: int | str, seconds: float) -> int | None:
        """Return the offset of the first message from `begin` on; None if there is none within `seconds`."""
        offset: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def record_offset(incoming: AbstractIncomingMessage) -> None:
            if not offset.done():
                offset.set_result(_read_offset(incoming))

        channel = await self._consume(connection, begin, record_offset)
        try:
            async with asyncio.timeout(seconds):
                return await offset
        except TimeoutError:
            return None
        finally:
            await channel.close()

    async def _take_message(self, take: Take, incoming: AbstractIncomingMessage) -> None:
        offset = _read_offset(incoming)
        self._next = offset + 1
        take(
            AmqpMessage(
                body=incoming.body,
                login=incoming.user_id,
                content_type=incoming.content_type,
                headers=incoming.headers,
            ),
            offset,
        )
        await incoming.ack()


def _read_offset(incoming: AbstractIncomingMessage) -> int:
    offset = incoming.headers.get("x-stream-offset")
    assert isinstance(offset, int)  # noqa: S101 - the broker sets it on every message of a stream
    return offset


async def _wait_for_renewal(closed: asyncio.Event) -> None:
    """Return after RENEW_INTERVAL_SECONDS. Raises ConnectionError if the connection ends earlier."""
    if await wait_until_set(closed, RENEW_INTERVAL_SECONDS):
        raise ConnectionError
