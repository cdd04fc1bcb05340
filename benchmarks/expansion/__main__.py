"""Expand one notice for a million subscribers; the service runs in a process of its own.

Raw speeds from the same run: the expansion's query in keyset pages, and publishing of ready batches.
"""

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import aio_pika
import aiohttp
import asyncpg
import psutil

from benchmarks.expansion.lane import LaneDrain, drain_lane
from benchmarks.expansion.subscribers import TOPIC, create_subscribers, measure_publish_rate, measure_read_rate
from cli.migrate.database import locate_migrations
from deploy.local.concurrency import enter_both
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.postgres import run_postgres
from deploy.local.process import Child, Command, wait_until_ready
from deploy.local.rabbitmq import run_rabbitmq
from shared.amqp import topology
from shared.amqp.connection import connect
from shared.amqp.publisher import open_publisher
from shared.contracts.envelope import CONTENT_TYPE, encode
from shared.contracts.message import Lane
from shared.contracts.notices import NoticePublished
from shared.database.migrations import migrate

REPOSITORY = Path(__file__).parents[2]
SOURCE, SYSTEM = "/benchmark", "benchmark"
TIMEOUT_SECONDS = 600
ROLE_PASSWORD = LOGIN_PASSWORD = "only-for-benchmarks"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class ExpansionHarness:
    """The servers of a run, and the service under test."""

    broker_url: str
    database: asyncpg.Connection
    child: Child
    ready_url: str


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
        await harness.child.start()
        stack.push_async_callback(harness.child.stop)
        await wait_until_ready(harness.child, partial(_is_ready, harness.ready_url), seconds=60)
        seconds, memory = await _expand(harness, drain, kill=chosen.kill, people=chosen.people)
        publishing = await _measure_publishing(harness, drain.bodies[0])
        _report(chosen.people, seconds, memory, read, publishing, drain)


async def _is_ready(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def _expand(harness: ExpansionHarness, drain: LaneDrain, *, kill: bool, people: int) -> tuple[float, float]:
    started, peak = time.perf_counter(), 0
    killed = not kill
    await _publish_notice(harness.broker_url)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not drain.finished.is_set():
            peak = max(peak, _read_memory(harness.child))
            if not killed and len(drain.bodies) * 100 > people // 2:
                harness.child.kill()
                await harness.child.wait()
                await harness.child.start()
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
    notice = NoticePublished(
        topic=TOPIC,
        headline="Vollsperrung",
        text="Bis 18 Uhr.",
    )
    now = datetime.now(UTC)
    body = encode(
        notice,
        event_id=secrets.token_hex(8),
        source=SOURCE,
        time=now,
        subject=f"n-{secrets.token_hex(4)}",
        expirytime=now + timedelta(hours=3),
    )
    url = f"amqp://{SYSTEM}:{LOGIN_PASSWORD}@{broker_url.rpartition('@')[2]}"
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        exchange = await channel.get_exchange(topology.MUNICIPAL_EVENTS, ensure=False)
        message = aio_pika.Message(
            body,
            user_id=SYSTEM,
            content_type=CONTENT_TYPE,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await exchange.publish(message, NoticePublished.KEY)


@asynccontextmanager
async def _open_harness(people: int) -> AsyncIterator[ExpansionHarness]:
    with tempfile.TemporaryDirectory(prefix="kreisfunk-benchmark-") as name:
        os.chmod(name, 0o711)  # noqa: S103 (PostgreSQL's user has to traverse it)
        folder = Path(name)
        async with AsyncExitStack() as stack:
            postgres, rabbitmq = await enter_both(
                stack,
                run_postgres(folder / "postgres", secrets.token_hex(16)),
                run_rabbitmq(folder / "rabbitmq", secrets.token_hex(16), print),
            )
            database = await asyncpg.connect(postgres.url, command_timeout=600)
            stack.push_async_callback(database.close)
            await migrate(database, "subscriptions", locate_migrations("subscriptions"))
            await database.execute(f"alter role kreisfunk_subscriptions login password '{ROLE_PASSWORD}'")
            await create_subscribers(database, people)
            async with await aio_pika.connect(rabbitmq.url) as connection, connection.channel() as channel:
                await topology.declare(channel)
            await rabbitmq.run_rabbitmqctl("add_user", SYSTEM, LOGIN_PASSWORD)
            await rabbitmq.run_rabbitmqctl("set_permissions", SYSTEM, "^$", f"^{topology.MUNICIPAL_EVENTS}$", "^$")
            (port,) = stack.enter_context(reserve_ports(1))
            url = postgres.url.rpartition("@")[2]
            child = Child(_build_command(folder, rabbitmq.url, f"postgresql://kreisfunk_subscriptions@{url}", port))
            yield ExpansionHarness(
                broker_url=rabbitmq.url,
                database=database,
                child=child,
                ready_url=f"http://{LOOPBACK}:{port}/readyz",
            )


def _build_command(folder: Path, broker_url: str, database_url: str, port: int) -> Command:
    county = folder / "county.toml"
    shipped = (REPOSITORY / "deploy/config/county.toml").read_text()
    county.write_text(f'{shipped}\n[[systems]]\nname = "{SYSTEM}"\nsources = ["{SOURCE}"]\ntopics = ["{TOPIC}"]\n')
    environment = {
        **os.environ,
        "KREISFUNK_BROKER_URL": broker_url,
        "KREISFUNK_DATABASE_URL": database_url,
        "KREISFUNK_DATABASE_PASSWORD": ROLE_PASSWORD,
        "KREISFUNK_FEEDBACK_KEY": b64encode(bytes(32)).decode(),
        "KREISFUNK_DEAD_LETTER_KEYS": f"1:{b64encode(bytes(32)).decode()}",
        "KREISFUNK_COUNTY_FILE": str(county),
        "KREISFUNK_INTERNAL_PORT": str(port),
    }
    return Command(
        name="subscriptions",
        arguments=(sys.executable, "-m", "services.subscriptions"),
        log=folder / "log",
        environment=environment,
        folder=REPOSITORY,
    )


if __name__ == "__main__":
    asyncio.run(main())
