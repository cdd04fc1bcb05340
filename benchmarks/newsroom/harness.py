"""The newsroom as a process on the first core, with its own database and broker."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks.harness import PASSWORD, TESTED_CORE, build_command, run_process, run_servers, run_service
from benchmarks.newsroom.rows import fill
from deploy.local.ports import LOOPBACK, reserve_ports


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
        database_url = await servers.enable_login("kreisfunk_newsroom")
        broker_url = await servers.add_broker_login("newsroom", ".*", ".*", ".*")
        cookie = await fill(servers.owner, broadcasts=broadcasts, subscribers=subscribers)
        with reserve_ports(2) as (port, archive_port):
            environment = {
                "KREISFUNK_BROKER_URL": broker_url,
                "KREISFUNK_BROKER_PASSWORD": PASSWORD,
                "KREISFUNK_DATABASE_URL": database_url,
                "KREISFUNK_NEWSROOM_PORT": str(port),
                "KREISFUNK_NEWSROOM_URL": f"http://{LOOPBACK}:{port}",
                "KREISFUNK_NEWSROOM_KEYS": f"1:{b64encode(bytes(32)).decode()}",
                "KREISFUNK_ARCHIVE_PORT": str(archive_port),
                "KREISFUNK_ARCHIVE_URL": f"http://{LOOPBACK}:{archive_port}",
                "KREISFUNK_ARCHIVE_PHONE": "+49 4791 9300",
                "KREISFUNK_NOTICES_API_TOKEN": "unused",
                "KREISFUNK_LOG_LEVEL": "warning",
            }
            async with run_service("services.newsroom", environment, servers.folder, core=TESTED_CORE):
                yield NewsroomHarness(
                    folder=servers.folder, port=port, archive_port=archive_port, database=servers.owner, cookie=cookie
                )


@asynccontextmanager
async def run_bare_page(folder: Path, size: int) -> AsyncIterator[int]:
    """Run a bare aiohttp page of `size` bytes on the first core; yield its port."""
    with reserve_ports(1) as (port,):
        arguments = ("benchmarks.ingress.servers", "bare", str(port), str(size))
        async with run_process(build_command("bare", arguments, folder, core=TESTED_CORE), port=port):
            yield port
