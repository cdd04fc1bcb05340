"""Looking through queues whose messages stay until a person decides.

What was looked at goes back when the look ends, unless it was removed. Meanwhile nobody else sees it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection

from shared.amqp.connection import CONNECTION_ERRORS, BrokerUnavailable


@dataclass(frozen=True)
class BrowsedMessage:
    """One message in hand."""

    queue: str
    incoming: AbstractIncomingMessage

    @property
    def body(self) -> bytes:
        return self.incoming.body

    @property
    def message_id(self) -> str:
        return self.incoming.message_id or ""

    @property
    def headers(self) -> Mapping[str, Any]:
        return self.incoming.headers

    async def remove(self) -> None:
        """Take it out of the queue for good. Raises BrokerUnavailable: then it may still be there."""
        try:
            await self.incoming.ack()
        except CONNECTION_ERRORS as error:
            raise BrokerUnavailable(f"cannot remove from {self.queue}: {type(error).__name__}") from None

    async def send_back(self) -> None:
        """Let the broker put it where it came from, with everything that it had: the queue's dead-letter rule, at
        least once. Raises BrokerUnavailable: then it may still be there."""
        try:
            await self.incoming.reject(requeue=False)
        except CONNECTION_ERRORS as error:
            raise BrokerUnavailable(f"cannot send back from {self.queue}: {type(error).__name__}") from None


@dataclass(frozen=True)
class QueueBrowser:
    """Queues to look through, one after the other, the oldest message first."""

    channel: AbstractChannel
    names: Sequence[str]

    async def count(self) -> int:
        """How many messages nobody looks at just now. Raises BrokerUnavailable."""
        try:
            declared = [await self.channel.declare_queue(name, passive=True) for name in self.names]
        except CONNECTION_ERRORS as error:
            raise BrokerUnavailable(f"cannot look at the queues: {type(error).__name__}") from None
        return sum(queue.declaration_result.message_count or 0 for queue in declared)

    async def browse(self, limit: int) -> AsyncGenerator[BrowsedMessage, None]:
        """At most so many, each once. Raises BrokerUnavailable."""
        for name in self.names:
            while limit > 0 and (kept := await self._get_next(name)):
                limit -= 1
                yield kept

    async def _get_next(self, name: str) -> BrowsedMessage | None:
        try:
            queue = await self.channel.get_queue(name, ensure=False)
            incoming = await queue.get(fail=False)
        except CONNECTION_ERRORS as error:
            raise BrokerUnavailable(f"cannot read {name}: {type(error).__name__}") from None
        return BrowsedMessage(name, incoming) if incoming else None


@asynccontextmanager
async def open_queue_browser(connection: AbstractRobustConnection, names: Sequence[str]) -> AsyncIterator[QueueBrowser]:
    """At the end everything that was not removed is back in its place. Raises BrokerUnavailable."""
    try:
        channel = await connection.channel(publisher_confirms=False)
    except CONNECTION_ERRORS as error:
        raise BrokerUnavailable(f"cannot open a channel: {type(error).__name__}") from None
    try:
        yield QueueBrowser(channel, names)
    finally:
        await channel.close()
