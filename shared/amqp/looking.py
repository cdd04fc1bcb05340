"""Looking at messages without taking part: what waits in a queue, and a copy of what passes by."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiormq
import msgspec
from aiormq.abc import AbstractChannel, DeliveredMessage

from shared.amqp.connection import AWAY, BrokerAway

AT_ONCE = 200
SILENT_SECONDS = 2.0
LONGEST_SECONDS = 120.0
_PROPERTIES = ("headers", "message_id", "correlation_id", "reply_to", "user_id", "message_type", "app_id")


class Seen(NamedTuple):
    """A message; `properties` are those that hold something of the sender's, headers with them, as JSON."""

    exchange: str
    routing_key: str
    body: bytes
    properties: bytes


class Binding(NamedTuple):
    """What to get a copy of."""

    exchange: str
    routing_key: str


@asynccontextmanager
async def peeked(url: str, queue: str) -> AsyncIterator[AsyncIterator[Seen]]:
    """Everything that waits there; it goes back, in order, when the context is left. Raises BrokerAway."""
    async with _channel(url) as channel:
        yield _waiting(channel, queue)


@asynccontextmanager
async def reread(url: str, stream: str) -> AsyncIterator[AsyncIterator[Seen]]:
    """Everything that a stream holds, until it has been silent for a while; what grows for ever ends as well. Raises
    BrokerAway."""
    async with _channel(url) as channel:
        yield _from_the_start(channel, stream)


async def tap(url: str, bindings: Iterable[Binding], take: Callable[[Seen], None]) -> None:
    """A copy of all that is published, until the connection ends; the queue for it ends with it. Raises BrokerAway."""
    async with _channel(url) as channel:
        declared = await channel.queue_declare(exclusive=True, auto_delete=True)
        queue = declared.queue or ""
        for binding in bindings:
            await channel.queue_bind(queue, binding.exchange, binding.routing_key)

        async def copy(message: DeliveredMessage) -> None:
            take(_seen(message))

        await channel.basic_consume(queue, copy, no_ack=True)
        await channel.closing


@asynccontextmanager
async def _channel(url: str) -> AsyncIterator[AbstractChannel]:
    try:
        connection = await aiormq.connect(url)
        try:
            yield await connection.channel()
        finally:
            await connection.close()
    except AWAY as error:
        raise BrokerAway(f"the broker went away: {type(error).__name__}") from None


async def _waiting(channel: AbstractChannel, queue: str) -> AsyncIterator[Seen]:
    while True:
        message = await channel.basic_get(queue, no_ack=False)
        if message.delivery_tag is None:
            return
        yield _seen(message)


async def _from_the_start(channel: AbstractChannel, stream: str) -> AsyncIterator[Seen]:
    arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
    ends = asyncio.get_running_loop().time() + LONGEST_SECONDS
    await channel.basic_qos(prefetch_count=AT_ONCE)
    await channel.basic_consume(stream, arrived.put, arguments={"x-stream-offset": "first"})
    while asyncio.get_running_loop().time() < ends and (message := await _next(arrived)) is not None:
        yield _seen(message)
        await channel.basic_ack(message.delivery_tag or 0)


async def _next(arrived: "asyncio.Queue[DeliveredMessage]") -> DeliveredMessage | None:
    try:
        async with asyncio.timeout(SILENT_SECONDS):
            return await arrived.get()
    except TimeoutError:
        return None


def _seen(message: DeliveredMessage) -> Seen:
    properties = {name: getattr(message.header.properties, name) for name in _PROPERTIES}
    written = msgspec.json.encode(properties, enc_hook=_readable)
    return Seen(message.exchange or "", message.routing_key or "", message.body, written)


def _readable(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)
