"""Hearing what happens for a short while, on a queue that ends with its connection."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection

from shared.amqp.connection import AWAY, BrokerAway


@dataclass
class Listener:
    """What arrives while we listen. Nothing is kept for later: who has to hear everything needs a real queue."""

    _arrived: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    async def receive(self) -> bytes:
        """The next body."""
        return await self._arrived.get()

    async def arrived(self, incoming: AbstractIncomingMessage) -> None:
        """The broker's callback."""
        self._arrived.put_nowait(incoming.body)


@asynccontextmanager
async def open_listener(
    connection: AbstractRobustConnection, *, prefix: str, exchange: str, keys: Sequence[str]
) -> AsyncIterator[Listener]:
    """Listen to these keys of a topic exchange on a queue `<prefix>.<random>`. Raises BrokerAway."""
    listener = Listener()
    try:
        channel = await connection.channel(publisher_confirms=False)
        queue = await channel.declare_queue(f"{prefix}.{secrets.token_hex(8)}", exclusive=True, auto_delete=True)
        for key in keys:
            await queue.bind(exchange, key)
        await queue.consume(listener.arrived, no_ack=True)
    except AWAY as error:
        raise BrokerAway(f"cannot listen to {exchange}: {type(error).__name__}") from None
    try:
        yield listener
    finally:
        await channel.close()
