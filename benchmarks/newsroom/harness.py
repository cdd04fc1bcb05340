"""The newsroom as a process on the first core, with its own database and broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from benchmarks.harness import TESTED_CORE, build_command, run_process, run_servers
from benchmarks.newsroom.rows import fill
from deploy.local.ports import reserve_ports


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
    async with run_servers() as servers:
        cookie = await fill(servers.owner, broadcasts=broadcasts, subscribers=subscribers)
        with reserve_ports(2) as (port, archive_port):
            stack = replace(servers.stack, newsroom_port=port, archive_port=archive_port)
            settings = {"KREISFUNK_LOG_LEVEL": "warning"}
            async with replace(servers, stack=stack).run_service("newsroom", settings, core=TESTED_CORE):
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
