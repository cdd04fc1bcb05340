"""Inspection for operators: existing exchanges and queues, numbers of waiting messages, and queue browsing."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import ChannelNotFoundEntity

from shared.amqp import topology
from shared.amqp.connection import Connection, convert_connection_errors


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Inventory: `missing` exchanges and queues, and the number of ready messages of each existing queue."""

    missing: tuple[str, ...]
    waiting: dict[str, int]


def list_queue_names() -> list[str]:
    """Return the names of all queues of the topology."""
    tiers = [queue.name_retry_queue(name) for queue in topology.QUEUES for name in topology.RETRY_TIERS]
    return [
        *(queue.name for queue in topology.QUEUES),
        *list_operator_queues(),
        topology.NOTICES_QUARANTINE,
        *(stream.name for stream in topology.STREAMS),
        *tiers,
    ]


def list_operator_queues() -> list[str]:
    """Return the queues that an operator has to look at: dead letters and unparsable webhooks.

    Rejected notices need no operator: their publishers were notified of every problem.
    """
    return [*(queue.dead_letter_queue for queue in topology.QUEUES), topology.QUARANTINE]


async def take_inventory(connection: Connection) -> Inventory:
    """Return the inventory; passive declarations need no permission. Raises BrokerUnavailable."""
    with convert_connection_errors("cannot inspect the topology"):
        exchanges = await _declare_each(connection, topology.EXCHANGES, _find_exchange)
        waiting = await _declare_each(connection, list_queue_names(), _count_messages)
    names = (*topology.EXCHANGES, *list_queue_names())
    return Inventory(missing=tuple(name for name in names if name not in exchanges | waiting), waiting=waiting)


async def count_by_queue(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the number of ready messages in each of these queues that exists. Raises BrokerUnavailable."""
    with convert_connection_errors("cannot inspect queues"):
        return await _declare_each(connection, names, _count_messages)


async def _find_exchange(channel: AbstractChannel, name: str) -> int:
    await channel.declare_exchange(name, passive=True)
    return 0


async def _count_messages(channel: AbstractChannel, name: str) -> int:
    return (await channel.declare_queue(name, passive=True)).declaration_result.message_count or 0


async def _declare_each(
    connection: Connection,
    names: Iterable[str],
    declare: Callable[[AbstractChannel, str], Awaitable[int]],
) -> dict[str, int]:
    """Return the broker's answer for each name that exists.

    They share a channel, so that a distant broker needs one round trip each; a missing name closes the channel.
    """
    answers: dict[str, int] = {}
    channel: AbstractChannel | None = None
    try:
        for name in names:
            channel = channel or await connection.channel(publisher_confirms=False)
            try:
                answers[name] = await declare(channel, name)
            except ChannelNotFoundEntity:
                await channel.close()
                channel = None
    finally:
        if channel is not None:
            await channel.close()
    return answers


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
        """Return its id, or a hash where the publisher gave none."""
        return self.incoming.message_id or sha256(self.body).hexdigest()

    @property
    def headers(self) -> Mapping[str, Any]:
        return self.incoming.headers

    async def remove(self) -> None:
        """Remove the message from the queue for good. Raises BrokerUnavailable: then it may still be there."""
        with convert_connection_errors(f"cannot remove from {self.queue}"):
            await self.incoming.ack()

    async def send_back(self) -> None:
        """Let the queue's dead-letter rule return the message to its original queue, unchanged, at least once.

        Raises BrokerUnavailable: then the message may still be in this queue.
        """
        with convert_connection_errors(f"cannot send back from {self.queue}"):
            await self.incoming.reject(requeue=False)


@dataclass(frozen=True)
class QueueBrowser:
    """Browser of several queues, one after another, oldest message first.

    Browsed messages that are not removed return to their queue on exit. Until then no other consumer sees them.
    """

    channel: AbstractChannel
    names: Sequence[str]

    async def count(self) -> int:
        """Return the number of messages that are not being browsed at the moment. Raises BrokerUnavailable."""
        with convert_connection_errors("cannot inspect the queues"):
            return sum([await _count_messages(self.channel, name) for name in self.names])

    async def browse(self, limit: int) -> AsyncGenerator[BrowsedMessage, None]:
        """Yield at most `limit` messages, each once. Raises BrokerUnavailable."""
        for name in self.names:
            while limit > 0 and (message := await self._get_next(name)):
                limit -= 1
                yield message

    async def _get_next(self, name: str) -> BrowsedMessage | None:
        with convert_connection_errors(f"cannot read {name}"):
            queue = await self.channel.get_queue(name, ensure=False)
            incoming = await queue.get(fail=False)
        return BrowsedMessage(name, incoming) if incoming else None


@asynccontextmanager
async def open_queue_browser(connection: Connection, names: Sequence[str]) -> AsyncIterator[QueueBrowser]:
    """Yield a browser; on exit, messages not removed return to their queues. Raises BrokerUnavailable."""
    with convert_connection_errors("cannot open a channel"):
        channel = await connection.channel(publisher_confirms=False)
    try:
        yield QueueBrowser(channel, names)
    finally:
        await channel.close()
