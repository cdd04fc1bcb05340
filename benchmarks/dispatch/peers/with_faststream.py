"""FastStream with one aiohttp session: `python -m … run`, or `python -m … NUMBER` to fill."""

import asyncio
import sys

import aiohttp
import uvloop
from faststream import FastStream  # type: ignore[import-not-found]
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue  # type: ignore[import-not-found]

from benchmarks.dispatch.peers.common import BROKER_URL, ENDPOINT_URL, HEADERS, IN_FLIGHT, build_bodies

QUEUE = RabbitQueue("send", durable=True)
broker = RabbitBroker(BROKER_URL, default_channel=Channel(prefetch_count=IN_FLIGHT), logger=None)


async def run() -> None:
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:

        async def send(body: str) -> None:
            async with session.post(ENDPOINT_URL, data=body.encode()) as response:
                response.raise_for_status()
                await response.read()

        broker.subscriber(QUEUE)(send)
        await FastStream(broker, logger=None).run()


async def fill() -> None:
    async with broker:
        await broker.declare_queue(QUEUE)
        for body in build_bodies():
            await broker.publish(body, QUEUE, persist=True)


if __name__ == "__main__":
    uvloop.run(run()) if sys.argv[1] == "run" else asyncio.run(fill())
