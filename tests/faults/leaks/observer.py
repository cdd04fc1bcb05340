"""Observation of messages without consuming them: those waiting in a queue or stream, and copies of published ones."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiormq
import msgspec
from aiormq.abc import AbstractChannel, DeliveredMessage

from shared.amqp.connection import CONNECTION_ERRORS, BrokerUnavailable, parse_nodes

PREFETCH_COUNT = 200
IDLE_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 120.0
_PROPERTIES = ("headers", "message_id", "correlation_id", "reply_to", "user_id", "message_type", "app_id")


class ObservedMessage(NamedTuple):
    """Message with those properties that hold values of its publisher, headers included, as JSON in `properties`."""

    exchange: str
    routing_key: str
    body: bytes
    properties: bytes


class Binding(NamedTuple):
    exchange: str
    routing_key: str


async def peek(url: str, queue: str) -> AsyncIterator[ObservedMessage]:
    """Yield all messages waiting in a queue; they return to it, in order, at the end. Raises BrokerUnavailable."""
    async with _open_channel(url) as channel:
        while (message := await channel.basic_get(queue, no_ack=False)).delivery_tag is not None:
            yield _build_observed(message)


async def read_stream(url: str, stream: str) -> AsyncIterator[ObservedMessage]:
    """Yield all messages of a stream until none arrives for IDLE_TIMEOUT_SECONDS.

    Ends after READ_TIMEOUT_SECONDS, even if the stream keeps growing. Raises BrokerUnavailable.
    """
    arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
    deadline = asyncio.get_running_loop().time() + READ_TIMEOUT_SECONDS
    async with _open_channel(url) as channel:
        await channel.basic_qos(prefetch_count=PREFETCH_COUNT)
        await channel.basic_consume(stream, arrived.put, arguments={"x-stream-offset": "first"})
        while asyncio.get_running_loop().time() < deadline and (message := await _wait_for_next(arrived)) is not None:
            yield _build_observed(message)
            await channel.basic_ack(message.delivery_tag or 0)


async def mirror(url: str, bindings: Iterable[Binding], take: Callable[[ObservedMessage], None]) -> None:
    """Pass a copy of all matching messages to `take` until the connection ends, and its queue with it.

    Raises BrokerUnavailable.
    """
    async with _open_channel(url) as channel:
        declaration = await channel.queue_declare(exclusive=True, auto_delete=True)
        queue = declaration.queue or ""
        for binding in bindings:
            await channel.queue_bind(queue, binding.exchange, binding.routing_key)

        async def copy(message: DeliveredMessage) -> None:
            take(_build_observed(message))

        await channel.basic_consume(queue, copy, no_ack=True)
        await channel.closing


@asynccontextmanager
async def _open_channel(url: str) -> AsyncIterator[AbstractChannel]:
    try:
        connection = await aiormq.connect(parse_nodes(url, None)[0])
        try:
            yield await connection.channel()
        finally:
            await connection.close()
    except CONNECTION_ERRORS as error:
        raise BrokerUnavailable(f"the broker went away: {type(error).__name__}") from None


async def _wait_for_next(arrived: "asyncio.Queue[DeliveredMessage]") -> DeliveredMessage | None:
    try:
        async with asyncio.timeout(IDLE_TIMEOUT_SECONDS):
            return await arrived.get()
    except TimeoutError:
        return None


def _build_observed(message: DeliveredMessage) -> ObservedMessage:
    properties = {name: getattr(message.header.properties, name) for name in _PROPERTIES}
    encoded = msgspec.json.encode(properties, enc_hook=_encode_value)
    return ObservedMessage(message.exchange or "", message.routing_key or "", message.body, encoded)


def _encode_value(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)
