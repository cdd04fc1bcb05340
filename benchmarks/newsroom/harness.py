"""The newsroom as a process on the first core, with a database and a broker that nobody else uses."""

import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks.machine import TESTED_CORE, build_command, run_process
from benchmarks.newsroom.rows import fill
from benchmarks.servers import PASSWORD, run_servers
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.services import Service

LOGIN = "newsroom"


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
    async with run_servers("subscriptions", "dispatcher", "newsroom") as servers:
        database, folder = servers.database, servers.folder
        database_url = await database.enable_login("kreisfunk_newsroom")
        cookie = await fill(database.owner, broadcasts=broadcasts, subscribers=subscribers)
        await servers.broker.run_rabbitmqctl("add_user", LOGIN, PASSWORD)
        await servers.broker.run_rabbitmqctl("set_permissions", LOGIN, ".*", ".*", ".*")
        with reserve_ports(3) as (port, archive_port, internal_port):
            environment = _build_environment(servers.broker.url, database_url, (port, archive_port, internal_port))
            arguments = (sys.executable, "-m", "services.newsroom")
            command = build_command("newsroom", arguments, folder / "newsroom.log", environment, TESTED_CORE)
            service = Service(command, f"http://{LOOPBACK}:{internal_port}/readyz")
            try:
                await service.start()
                yield NewsroomHarness(
                    folder=folder, port=port, archive_port=archive_port, database=database.owner, cookie=cookie
                )
            finally:
                await service.stop()


def _build_environment(broker_url: str, database_url: str, ports: Sequence[int]) -> dict[str, str]:
    port, archive_port, internal_port = ports
    return {
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
        arguments = (sys.executable, "-m", "benchmarks.newsroom.bare", str(port), str(size))
        command = build_command("bare", arguments, folder / "bare.log", {}, TESTED_CORE)
        async with run_process(command, port=port):
            yield port
