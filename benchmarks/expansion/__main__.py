"""Expand one notice for a million subscribers; the service runs in a process of its own.

Raw speeds from the same run: the expansion's query in keyset pages, and publishing of ready batches.
"""

import argparse
import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import aiormq
import asyncpg
import psutil
from aiormq.abc import DeliveredMessage

from benchmarks.expansion.subscribers import TOPIC, create_subscribers
from benchmarks.harness import BenchmarkServers, run_servers
from cli.publish.events import build_event
from deploy.local.environments import build_command_environments
from deploy.local.services import Service
from services.subscriptions.adapters.broadcasts import _RECIPIENTS
from shared.amqp import topology
from shared.amqp.connection import connect
from shared.amqp.publisher import open_publisher
from shared.contracts.dispatch import BroadcastBatch
from shared.contracts.envelope import read_data, read_envelope
from shared.contracts.message import Lane
from shared.contracts.notices import NoticePublished
from tests.amqp_system import build_amqp_system

TIMEOUT_SECONDS = 600
POLL_INTERVAL_SECONDS = 0.1
ROWS_PER_PAGE = 1_000
IN_FLIGHT, READY_BATCHES, RECIPIENTS_PER_BATCH = 16, 5_000, 100


@dataclass
class LaneDrain:
    """The bodies taken from a lane; `finished` is set by the last page."""

    bodies: list[bytes] = field(default_factory=list)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, message: DeliveredMessage) -> None:
        self.bodies.append(message.body)
        if b'"last":true' in message.body:
            self.finished.set()

    def summarize(self) -> tuple[int, int, int]:
        """Return the numbers of pages, of distinct recipients, and of repeated pages with different bytes."""
        pages: dict[int, int] = {}
        changed = 0
        people: set[UUID] = set()
        for body in self.bodies:
            batch, checksum = read_data(read_envelope(body), BroadcastBatch), zlib.crc32(body)
            changed += pages.setdefault(batch.page, checksum) != checksum
            people.update(recipient.subscriber for recipient in batch.recipients)
        return len(pages), len(people), changed


@asynccontextmanager
async def drain_lane(url: str, lane: Lane) -> AsyncIterator[LaneDrain]:
    """Consume all messages of a lane while the context is open, without acknowledgement."""
    drain = LaneDrain()
    connection = await aiormq.connect(url)
    try:
        channel = await connection.channel()
        await channel.basic_consume(topology.LANES[lane].name, drain.take, no_ack=True)
        yield drain
    finally:
        await connection.close()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.expansion", description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--kill", action="store_true", help="kill the service in the middle and start it again")
    return parser.parse_args()


async def main() -> None:
    options = parse_arguments()
    async with run_servers() as servers:
        await create_subscribers(servers.owner, options.people)
        reading = await _measure_reading(servers.owner)
        async with (
            drain_lane(servers.broker_url, Lane.BULK) as drain,
            servers.run_service("subscriptions", {}) as service,
        ):
            await _publish_notice(servers)
            kill_at = options.people // 2 // RECIPIENTS_PER_BATCH if options.kill else None
            seconds, memory = await _expand(service, drain, kill_at)
            publishing = await _measure_publishing(servers.broker_url, drain.bodies[0])
    pages, reached, changed = drain.summarize()
    rate, slower = options.people / seconds, min(reading, publishing)
    print(f"{options.people:,} subscribers in {seconds:.1f} s: {rate:,.0f}/s, at most {memory / 1e6:.0f} MB")
    print(f"keyset read {reading:,.0f}/s, publishing {publishing:,.0f}/s alone: {rate / slower:.2f} of the slower one")
    print(f"{pages:,} pages, {reached:,} different recipients, {changed} pages with other bytes")


async def _expand(service: Service, drain: LaneDrain, kill_at: int | None) -> tuple[float, int]:
    """Wait for the last page; return the seconds and the peak of memory in bytes."""
    started, peak = time.perf_counter(), 0
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not drain.finished.is_set():
            peak = max(peak, psutil.Process(service.pid).memory_info().rss)
            if kill_at is not None and len(drain.bodies) > kill_at:
                kill_at = None
                service.kill()
                await service.wait()
                await service.launch()
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
    return time.perf_counter() - started, peak


async def _measure_reading(connection: asyncpg.Connection) -> float:
    """Return rows per second of the expansion's own query, in keyset pages that are discarded."""
    position, rows, started = UUID(int=0), 0, time.perf_counter()
    now = await connection.fetchval("select now()")
    while page := await connection.fetch(_RECIPIENTS, TOPIC, position, ROWS_PER_PAGE, now, None):
        position, rows = page[-1]["id"], rows + len(page)
    return rows / (time.perf_counter() - started)


async def _measure_publishing(broker_url: str, body: bytes) -> float:
    """Return recipients per second when ready batches are published, each confirmed.

    Uses the other lane, which the expansion does not touch.
    """
    numbers = iter(range(READY_BATCHES))
    async with (
        drain_lane(broker_url, Lane.URGENT),
        connect(broker_url, password=None, name="raw") as connection,
        open_publisher(connection) as publisher,
    ):
        started = time.perf_counter()

        async def work() -> None:
            for number in numbers:
                await publisher.publish(topology.DISPATCH, Lane.URGENT, body, message_id=str(number))

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return READY_BATCHES * RECIPIENTS_PER_BATCH / (time.perf_counter() - started)


async def _publish_notice(servers: BenchmarkServers) -> None:
    system = build_amqp_system(build_command_environments(servers.stack)["publisher"])
    notice, now = NoticePublished(topic=TOPIC, headline="Vollsperrung", text="Bis 18 Uhr."), datetime.now(UTC)
    await system.publish(build_event(notice, "expansion", system.source, now, now + timedelta(hours=3)))


if __name__ == "__main__":
    asyncio.run(main())
