"""A feeder that keeps a lane full, as the expander does: a full lane nacks, and the feeder retries."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from benchmarks.dispatch.factories import encode_event
from shared.amqp import topology
from shared.amqp.connection import connect
from shared.amqp.publisher import Publisher, PublishRefused, open_publisher
from shared.contracts.dispatch import BroadcastBatch
from shared.contracts.message import Lane

RETRY_DELAY_SECONDS = 0.02


async def publish(publisher: Publisher, batch: BroadcastBatch) -> None:
    """Publish one batch, and retry until the lane has room."""
    identifier, body = encode_event(batch)
    while True:
        try:
            await publisher.publish(topology.DISPATCH, batch.lane.value, body, message_id=identifier, timeout=10)
        except PublishRefused:
            await asyncio.sleep(RETRY_DELAY_SECONDS)
        else:
            return


async def feed(publisher: Publisher, pages: Iterator[BroadcastBatch]) -> None:
    """Publish all pages in order."""
    for page in pages:
        await publish(publisher, page)


@asynccontextmanager
async def open_feeder(broker_url: str) -> AsyncIterator[Publisher]:
    async with connect(broker_url, password=None, name="feeder") as connection, open_publisher(connection) as publisher:
        yield publisher


@asynccontextmanager
async def feed_in_background(publisher: Publisher, pages: Iterator[BroadcastBatch]) -> AsyncIterator[None]:
    """Feed in the background until the block ends, then purge the lane."""
    task = asyncio.create_task(feed(publisher, pages))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        queue = await publisher.channel.get_queue(topology.LANES[Lane.BULK].name)
        await queue.purge()
