"""The newsroom as a process over a fresh database."""

import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import asyncpg

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child, Command, wait_until_ready
from deploy.paths import ROOT
from tests.databases import FreshDatabase
from tests.servers import WAIT_TIMEOUT_SECONDS

PHONE = "+49 4791 930 9999"


@dataclass(frozen=True, kw_only=True)
class NewsroomProcess:
    """`database` is the owner's connection."""

    url: str
    archive_url: str
    database: asyncpg.Connection = field(repr=False)
    child: Child = field(repr=False)


@asynccontextmanager
async def run_newsroom(
    fresh: FreshDatabase, broker_url: str, folder: Path, assets: Path, more: Mapping[str, str] | None = None
) -> AsyncIterator[NewsroomProcess]:
    with reserve_ports(3) as (port, archive_port, internal_port):
        url, archive_url = f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{archive_port}"
        settings = {
            "broker_url": broker_url,
            "database_url": fresh.build_role_url("kreisfunk_newsroom"),
            "newsroom_port": str(port),
            "newsroom_url": url,
            "newsroom_assets": str(assets),
            "newsroom_keys": f"1:{b64encode(bytes(32)).decode()}",
            "archive_port": str(archive_port),
            "archive_url": archive_url,
            "archive_phone": PHONE,
            "notices_api_url": f"http://{LOOPBACK}:9",
            "notices_api_token": "nobody-answers-there",
            "internal_port": str(internal_port),
            **(more or {}),
        }
        command = Command(
            name="newsroom",
            arguments=(sys.executable, "-m", "services.newsroom"),
            log=folder / "newsroom.log",
            environment={**os.environ, **{f"KREISFUNK_{name.upper()}": value for name, value in settings.items()}},
            folder=ROOT,
        )
        child = Child(command)
        database = await asyncpg.connect(fresh.url)
        await child.start()
        try:
            await wait_until_ready(child, partial(_is_ready, internal_port), seconds=WAIT_TIMEOUT_SECONDS)
            yield NewsroomProcess(url=url, archive_url=archive_url, database=database, child=child)
        finally:
            await child.stop()
            await database.close()


async def _is_ready(port: int) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://{LOOPBACK}:{port}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
