"""Expand one notice for a million subscribers; the service runs in a process of its own.

Raw speeds from the same run: the expansion's query in keyset pages, and publishing of ready batches.
"""

import argparse
import asyncio
import secrets
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import psutil

from benchmarks.expansion.lane import LaneDrain, drain_lane
from benchmarks.expansion.subscribers import TOPIC, create_subscribers, measure_publish_rate, measure_read_rate
from benchmarks.machine import build_command
from benchmarks.servers import PASSWORD, run_servers
from cli.publish.event_options import build_event
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child
from deploy.local.services import Service
from deploy.paths import ROOT
from shared.amqp import topology
from shared.amqp.connection import connect
from shared.amqp.publisher import open_publisher
from shared.contracts.message import Lane
from shared.contracts.notices import NoticePublished

SOURCE, SYSTEM = "/benchmark", "benchmark"
TIMEOUT_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class ExpansionHarness:
    """The servers of a run, and the service under test."""

    broker_url: str
    database: asyncpg.Connection
    service: Service


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.expansion", description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--kill", action="store_true", help="kill the service in the middle and start it again")
    return parser.parse_args()


async def main() -> None:
    chosen = parse_arguments()
    async with AsyncExitStack() as stack:
        harness = await stack.enter_async_context(_open_harness(chosen.people))
        drain = LaneDrain()
        lane = await drain_lane(harness.broker_url, Lane.BULK, drain)
        stack.push_async_callback(lane.close)
        read = await measure_read_rate(harness.database)
        stack.push_async_callback(harness.service.stop)
        await harness.service.start()
        seconds, memory = await _expand(harness, drain, kill=chosen.kill, people=chosen.people)
        publishing = await _measure_publishing(harness, drain.bodies[0])
        _report(chosen.people, seconds, memory, read, publishing, drain)


async def _expand(harness: ExpansionHarness, drain: LaneDrain, *, kill: bool, people: int) -> tuple[float, float]:
    started, peak = time.perf_counter(), 0
    killed = not kill
    await _publish_notice(harness.broker_url)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not drain.finished.is_set():
            peak = max(peak, _read_memory(harness.service))
            if not killed and len(drain.bodies) * 100 > people // 2:
                harness.service.kill()
                await harness.service.wait()
                await harness.service.launch()
                killed = True
            await asyncio.sleep(0.1)
    return time.perf_counter() - started, peak / 1e6


def _read_memory(child: Child) -> int:
    try:
        return int(psutil.Process(child.pid).memory_info().rss)
    except psutil.Error:
        return 0


async def _measure_publishing(harness: ExpansionHarness, body: bytes) -> float:
    """Measure on the other lane, so that nothing of the expansion interferes."""
    drain = LaneDrain()
    lane = await drain_lane(harness.broker_url, Lane.URGENT, drain)
    try:
        async with (
            connect(harness.broker_url, password=None, name="raw") as connection,
            open_publisher(connection) as raw,
        ):
            return await measure_publish_rate(raw, body, 5_000, 100)
    finally:
        await lane.close()


def _report(people: int, seconds: float, memory: float, read: float, publishing: float, drain: LaneDrain) -> None:
    pages, reached, changed = drain.summarize()
    rate, slower = people / seconds, min(read, publishing)
    print(f"{people:,} subscribers in {seconds:.1f} s: {rate:,.0f}/s, at most {memory:.0f} MB")
    print(
        f"keyset read alone {read:,.0f}/s, publishing alone {publishing:,.0f}/s: {rate / slower:.2f} of the slower one"
    )
    print(f"{pages:,} pages, {reached:,} different recipients, {changed} pages with other bytes")


async def _publish_notice(broker_url: str) -> None:
    notice, now = NoticePublished(topic=TOPIC, headline="Vollsperrung", text="Bis 18 Uhr."), datetime.now(UTC)
    identifier = secrets.token_hex(4)
    body = build_event(notice, identifier, SOURCE, now, now + timedelta(hours=3))
    url = f"amqp://{SYSTEM}@{broker_url.rpartition('@')[2]}"
    async with connect(url, password=PASSWORD, name=SYSTEM) as connection, open_publisher(connection) as publisher:
        await publisher.publish(
            topology.MUNICIPAL_EVENTS, NoticePublished.KEY, body, message_id=identifier, user_id=SYSTEM
        )


@asynccontextmanager
async def _open_harness(people: int) -> AsyncIterator[ExpansionHarness]:
    async with run_servers("subscriptions") as servers:
        database, broker = servers.database, servers.broker
        await create_subscribers(database.owner, people)
        await broker.run_rabbitmqctl("add_user", SYSTEM, PASSWORD)
        await broker.run_rabbitmqctl("set_permissions", SYSTEM, "^$", f"^{topology.MUNICIPAL_EVENTS}$", "^$")
        with reserve_ports(1) as (port,):
            environment = _build_environment(
                servers.folder, broker.url, await database.enable_login("kreisfunk_subscriptions"), port
            )
            arguments = (sys.executable, "-m", "services.subscriptions")
            command = build_command("subscriptions", arguments, servers.folder / "log", environment)
            service = Service(command, f"http://{LOOPBACK}:{port}/readyz")
            yield ExpansionHarness(broker_url=broker.url, database=database.owner, service=service)


def _build_environment(folder: Path, broker_url: str, database_url: str, port: int) -> dict[str, str]:
    county = folder / "county.toml"
    shipped = (ROOT / "deploy/config/county.toml").read_text()
    county.write_text(f'{shipped}\n[[systems]]\nname = "{SYSTEM}"\nsources = ["{SOURCE}"]\ntopics = ["{TOPIC}"]\n')
    return {
        "KREISFUNK_BROKER_URL": broker_url,
        "KREISFUNK_DATABASE_URL": database_url,
        "KREISFUNK_DATABASE_PASSWORD": PASSWORD,
        "KREISFUNK_FEEDBACK_KEY": b64encode(bytes(32)).decode(),
        "KREISFUNK_DEAD_LETTER_KEYS": f"1:{b64encode(bytes(32)).decode()}",
        "KREISFUNK_COUNTY_FILE": str(county),
        "KREISFUNK_INTERNAL_PORT": str(port),
    }


if __name__ == "__main__":
    asyncio.run(main())
