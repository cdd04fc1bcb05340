"""Browser of queues whose messages wait for a decision by an operator.

Browsed messages return to their queue at the end unless removed. Until then no other consumer sees them.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection

from shared.amqp.connection import CONNECTION_ERRORS, BrokerUnavailable


@dataclass(frozen=True)
class BrowsedMessage:
    """Unsettled message from a browsed queue."""

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
        """Remove the message from the queue for good. Raises BrokerUnavailable: then it may still be there."""
        try:
            await self.incoming.ack()
        except CONNECTION_ERRORS as error:
            raise BrokerUnavailable(f"cannot remove from {self.queue}: {type(error).__name__}") from None

    async def send_back(self) -> None:
        """Let the queue's dead-letter rule return the message to its original queue, unchanged, at least once.

        Raises BrokerUnavailable: then the message may still be there.
        """
        try:
            await self.incoming.reject(requeue=False)
        except CONNECTION_ERRORS as error:
            raise BrokerUnavailable(f"cannot send back from {self.queue}: {type(error).__name__}") from None


@dataclass(frozen=True)
class QueueBrowser:
    """Browser of several queues, one after another, oldest message first."""

    channel: AbstractChannel
    names: Sequence[str]

    async def count(self) -> int:
        """Return the number of messages that are not being browsed at the moment. Raises BrokerUnavailable."""
        try:
            declared = [await self.channel.declare_queue(name, passive=True) for name in self.names]
        except CONNECTION_ERRORS as error:
            raise BrokerUnavailable(f"cannot look at the queues: {type(error).__name__}") from None
        return sum(queue.declaration_result.message_count or 0 for queue in declared)

    async def browse(self, limit: int) -> AsyncGenerator[BrowsedMessage, None]:
        """Yield at most `limit` messages, each once. Raises BrokerUnavailable."""
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
    """Yield a browser; at the end, messages not removed return to their queues. Raises BrokerUnavailable."""
    try:
        channel = await connection.channel(publisher_confirms=False)
    except CONNECTION_ERRORS as error:
        raise BrokerUnavailable(f"cannot open a channel: {type(error).__name__}") from None
    try:
        yield QueueBrowser(channel, names)
    finally:
        await channel.close()
