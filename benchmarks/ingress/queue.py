"""Setup and counting of the queues."""

import asyncio

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from shared.amqp import topology
from shared.contracts.envelope import read_data, read_envelope
from shared.contracts.inbound import DeliveryStatuses

PEERS_QUEUE = "benchmark.peers"


async def declare_peers_queue(broker_url: str) -> None:
    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(PEERS_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})


async def drain(broker_url: str) -> tuple[int, int]:
    """Empty the queues of statuses and peers; return the numbers of events and messages in the first."""
    events = messages = 0
    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel()
        await (await channel.get_queue(PEERS_QUEUE, ensure=False)).purge()
        await channel.set_qos(prefetch_count=500)
        queue = await channel.get_queue(topology.DISPATCHER_STATUSES.name, ensure=False)
        expected = (await channel.declare_queue(queue.name, passive=True)).declaration_result.message_count
        complete = asyncio.Event()

        async def count(incoming: AbstractIncomingMessage) -> None:
            nonlocal events, messages
            events += len(read_data(read_envelope(incoming.body), DeliveryStatuses).statuses)
            messages += 1
            if messages == expected:
                await incoming.channel.basic_ack(incoming.delivery_tag or 0, multiple=True)
                complete.set()
            elif messages % 250 == 0:
                await incoming.channel.basic_ack(incoming.delivery_tag or 0, multiple=True)

        await queue.consume(count)
        if expected:
            await complete.wait()
    return events, messages
