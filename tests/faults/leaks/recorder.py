"""Recorder of data that would be gone after a run: messages on the broker, and metrics."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from shared.amqp.connection import BrokerUnavailable
from shared.amqp.topology import API_NOTICES, DEAD_LETTERS, DISPATCH, EVENTS, INBOUND, LANES, MUNICIPAL_EVENTS, QUEUES
from tests.faults.leaks.observer import Binding, ObservedMessage, mirror

SCRAPE_INTERVAL_SECONDS = 5.0
SCRAPE_TIMEOUT = aiohttp.ClientTimeout(total=3)
RECONNECT_DELAY_SECONDS = 1.0
METRICS, MESSAGES = "metrics", "messages"


@asynccontextmanager
async def record_traffic(folder: Path, *, broker_url: str, metrics_urls: Mapping[str, str]) -> AsyncIterator[None]:
    """Record into files until the context exits: metrics by process, messages by exchange and routing key."""
    for name in (METRICS, MESSAGES):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(mode=0o700)
    tasks = (
        asyncio.create_task(_scrape(folder / METRICS, metrics_urls)),
        asyncio.create_task(_listen(folder / MESSAGES, broker_url)),
    )
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _scrape(folder: Path, urls: Mapping[str, str]) -> None:
    async with aiohttp.ClientSession(timeout=SCRAPE_TIMEOUT) as session:
        while True:
            for name, url in urls.items():
                with suppress(aiohttp.ClientError, TimeoutError), (folder / name).open("ab") as file:
                    async with session.get(url) as response:
                        file.write(await response.read())
            await asyncio.sleep(SCRAPE_INTERVAL_SECONDS)


async def _listen(folder: Path, url: str) -> None:
    """Record messages until cancelled; while the broker is unavailable there are none."""

    def write(message: ObservedMessage) -> None:
        with (folder / f"{message.exchange} {message.routing_key}").open("ab") as file:
            file.write(b"%b\n%b\n" % (message.body, message.properties))

    while True:
        with suppress(BrokerUnavailable):
            await mirror(url, _list_bindings(), write)
        await asyncio.sleep(RECONNECT_DELAY_SECONDS)


def _list_bindings() -> Iterator[Binding]:
    yield from (Binding(exchange, "#") for exchange in (MUNICIPAL_EVENTS, API_NOTICES, INBOUND, EVENTS))
    yield from (Binding(DISPATCH, lane) for lane in LANES)
    for queue in QUEUES:
        yield from (Binding(exchange, queue.dead_letter_queue) for exchange in (DEAD_LETTERS, queue.retry_exchange))
