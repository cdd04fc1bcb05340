"""The newsroom as a process on the first core, with a database and a broker that nobody else uses."""

import os
import secrets
import sys
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
import asyncpg

from benchmarks.newsroom.rows import fill
from cli.migrate.database import locate_migrations
from deploy.local.concurrency import enter_both
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.postgres import run_postgres
from deploy.local.process import Child, Command, is_port_open, wait_until_ready
from deploy.local.rabbitmq import run_rabbitmq
from shared.amqp import topology
from shared.amqp.connection import connect
from shared.database.migrations import migrate

REPOSITORY = Path(__file__).parents[2]
ROLE, LOGIN = "kreisfunk_newsroom", "newsroom"
PASSWORD = "only-for-benchmarks"  # noqa: S105
READY_SECONDS = 60
CORES = os.sched_getaffinity(0)
SERVER_CORE = min(CORES)


@dataclass(frozen=True, kw_only=True)
class NewsroomHarness:
    """The running newsroom; `database` is the owner's connection, `cookie` that of a session with every right."""

    folder: Path
    port: int
    archive_port: int
    database: asyncpg.Connection
    cookie: str


@asynccontextmanager
async def open_newsroom_harness(*, broadcasts: int, subscribers: int) -> AsyncIterator[NewsroomHarness]:
    """Start servers and newsroom, and fill the database."""
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
            for schema in ("subscriptions", "dispatcher", "newsroom"):
                await migrate(database, schema, locate_migrations(schema))
            await database.execute(f"alter role {ROLE} login password '{PASSWORD}'")
            cookie = await fill(database, broadcasts=broadcasts, subscribers=subscribers)
            async with connect(rabbitmq.url, password=None, name="benchmark") as connection:
                await topology.declare(await connection.channel())
            await rabbitmq.run_rabbitmqctl("add_user", LOGIN, PASSWORD)
            await rabbitmq.run_rabbitmqctl("set_permissions", LOGIN, ".*", ".*", ".*")
            ports = stack.enter_context(reserve_ports(3))
            address = postgres.url.rpartition("@")[2]
            environment = _build_environment(rabbitmq.url, f"postgresql://{ROLE}@{address}", ports)
            command = Command(
                name="newsroom",
                arguments=(sys.executable, "-m", "services.newsroom"),
                log=folder / "newsroom.log",
                environment=environment,
                folder=REPOSITORY,
            )
            await stack.enter_async_context(_run_child(command, partial(_is_ready, ports[2])))
            yield NewsroomHarness(folder=folder, port=ports[0], archive_port=ports[1], database=database, cookie=cookie)


def _build_environment(broker_url: str, database_url: str, ports: Sequence[int]) -> dict[str, str]:
    port, archive_port, internal_port = ports
    return {
        **os.environ,
        "KREISFUNK_BROKER_URL": f"amqp://{LOGIN}@{broker_url.rpartition('@')[2]}",
        "KREISFUNK_BROKER_PASSWORD": PASSWORD,
        "KREISFUNK_DATABASE_URL": database_url,
        "KREISFUNK_DATABASE_PASSWORD": PASSWORD,
        "KREISFUNK_NEWSROOM_PORT": str(port),
        "KREISFUNK_NEWSROOM_URL": f"http://{LOOPBACK}:{port}",
        "KREISFUNK_NEWSROOM_KEYS": f"1:{b64encode(bytes(32)).decode()}",
        "KREISFUNK_ARCHIVE_PORT": str(archive_port),
        "KREISFUNK_ARCHIVE_URL": f"http://{LOOPBACK}:{archive_port}",
        "KREISFUNK_ARCHIVE_PHONE": "+49 4791 9300",
        "KREISFUNK_NOTICES_API_TOKEN": "unused",
        "KREISFUNK_INTERNAL_PORT": str(internal_port),
        "KREISFUNK_LOG_LEVEL": "warning",
    }


@asynccontextmanager
async def run_bare_page(folder: Path, size: int) -> AsyncIterator[int]:
    """Run a bare aiohttp page of `size` bytes on the first core; yield its port."""
    with reserve_ports(1) as (port,):
        command = Command(
            name="bare",
            arguments=(sys.executable, "-m", "benchmarks.newsroom.bare", str(port), str(size)),
            log=folder / "bare.log",
            environment=os.environ,
            folder=REPOSITORY,
        )
        async with _run_child(command, lambda: is_port_open(LOOPBACK, port)):
            yield port


@asynccontextmanager
async def _run_child(command: Command, is_ready: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    child = Child(command)
    await child.start()
    try:
        await wait_until_ready(child, is_ready, seconds=READY_SECONDS)
        if child.pid:
            os.sched_setaffinity(child.pid, {SERVER_CORE})
        yield
    finally:
        await child.stop()


async def _is_ready(port: int) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://{LOOPBACK}:{port}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
