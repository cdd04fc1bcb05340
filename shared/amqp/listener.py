"""Listener to the stream of answers about notices, from now on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection

from shared.amqp.connection import CONNECTION_ERRORS, BrokerUnavailable
from shared.amqp.topology import ANSWERS

PREFETCH_COUNT = 200


@dataclass
class Listener:
    """Queue of the messages that arrive while listening. To miss none across restarts, read from a stored offset."""

    _arrived: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    async def receive(self) -> bytes:
        """Return the next body."""
        return await self._arrived.get()

    async def enqueue(self, incoming: AbstractIncomingMessage) -> None:
        """Queue a message; called by the broker client."""
        self._arrived.put_nowait(incoming.body)
        await incoming.ack()


@asynccontextmanager
async def open_listener(connection: AbstractRobustConnection) -> AsyncIterator[Listener]:
    """Listen to the stream of answers. Raises BrokerUnavailable."""
    listener = Listener()
    try:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=PREFETCH_COUNT)
        stream = await channel.get_queue(ANSWERS, ensure=False)
        await stream.consume(listener.enqueue, arguments={"x-stream-offset": "next"})
    except CONNECTION_ERRORS as error:
        raise BrokerUnavailable(f"cannot listen to {ANSWERS}: {type(error).__name__}") from None
    try:
        yield listener
    finally:
        await channel.close()
