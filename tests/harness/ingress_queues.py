"""The content of the queues behind the ingress."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel

from shared.amqp import topology
from shared.contracts.envelope import read_data, read_envelope
from shared.contracts.inbound import (
    AccountEvents,
    DeliveryStatuses,
    InboundMessages,
    PreferenceChanges,
    WebhookQuarantined,
)
from shared.contracts.message import Message

M = TypeVar("M", bound=Message)
QUEUE_OF: dict[type[Message], str] = {
    InboundMessages: topology.SUBSCRIPTIONS_INBOUND.name,
    PreferenceChanges: topology.SUBSCRIPTIONS_INBOUND.name,
    DeliveryStatuses: topology.DISPATCHER_STATUSES.name,
    AccountEvents: topology.DISPATCHER_ACCOUNT.name,
    WebhookQuarantined: topology.QUARANTINE,
}


@dataclass(frozen=True)
class IngressQueues:
    """Reader of the queues that checks the properties of each message."""

    channel: AbstractChannel

    async def take(self, kind: type[M]) -> list[M]:
        """Return all messages of a queue, which must be of this kind, and remove them."""
        queue = await self.channel.get_queue(QUEUE_OF[kind], ensure=False)
        messages = []
        while incoming := await queue.get(fail=False):
            await incoming.ack()
            envelope = read_envelope(incoming.body)
            assert incoming.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
            assert incoming.message_id == envelope.id
            assert envelope.source == "/kreisfunk/ingress"
            assert incoming.routing_key == kind.KEY
            messages.append(read_data(envelope, kind))
        return messages

    async def purge(self) -> None:
        for name in set(QUEUE_OF.values()):
            await (await self.channel.get_queue(name, ensure=False)).purge()


@asynccontextmanager
async def open_queues(broker_url: str) -> AsyncIterator[IngressQueues]:
    async with await aio_pika.connect(broker_url) as connection:
        yield IngressQueues(await connection.channel())
