"""The environment of all cases: a broker, a database with our schema, and the endpoint."""

import asyncio
import base64
import os
import secrets
import sys
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
import asyncpg

from benchmarks.machine import OTHER_CORE, build_command, run_process
from benchmarks.servers import PASSWORD, run_servers
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.postgres import PostgresServer
from deploy.local.process import is_port_open, wait_until_ready
from deploy.local.rabbitmq import RabbitServer

ID_LENGTH = 36
POLL_INTERVAL_SECONDS = 0.05


@dataclass(frozen=True)
class EndpointClient:
    """Client of the endpoint."""

    url: str
    session: aiohttp.ClientSession

    async def count(self) -> int:
        """Return the number of messages so far."""
        account = await self._fetch_account()
        return int(account["messages"])

    async def wait_for_messages(self, messages: int) -> int:
        """Wait for at least `messages` messages, and return their number."""
        while (count := await self.count()) < messages:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
        return count

    async def count_repeated(self) -> int:
        """Count messages whose id had arrived before."""
        account = await self._fetch_account()
        return int(account["messages"] - account["different"])

    async def measure_longest_stall(self) -> float:
        """Return the longest stall of the endpoint itself, in seconds."""
        account = await self._fetch_account()
        return account["stood_still"]

    async def fetch_times(self, kind: str = "times") -> "array[float]":
        """Return the arrival times."""
        async with self.session.get(f"{self.url}/{kind}") as response:
            return array("d", await response.read())

    async def fetch_ids_after(self, count: int) -> list[str]:
        """Return the delivery ids of all messages after the first `count`."""
        async with self.session.get(f"{self.url}/ids/{count}") as response:
            text = await response.text()
        return [text[start : start + ID_LENGTH] for start in range(0, len(text), ID_LENGTH)]

    async def _fetch_account(self) -> dict[str, float]:
        async with self.session.get(f"{self.url}/account") as response:
            account: dict[str, float] = await response.json(content_type=None)
            return account


@dataclass(frozen=True)
class DispatchHarness:
    """The servers and the secrets of a run; `database_url` is that of the dispatcher's role."""

    folder: Path
    broker: RabbitServer
    postgres: PostgresServer
    database_url: str
    encryption_keys: str
    index_key: str

    @asynccontextmanager
    async def connect_as_owner(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a connection of the database's owner."""
        connection = await asyncpg.connect(self.postgres.url)
        try:
            yield connection
        finally:
            await connection.close()

    async def reset_rate(self) -> None:
        """Reset the rate, as a lower one of an earlier case would have to recover first."""
        async with self.connect_as_owner() as connection:
            await connection.execute("delete from dispatcher.rate")

    @asynccontextmanager
    async def start_endpoint(self, seconds: float) -> AsyncIterator[EndpointClient]:
        """Run the endpoint, which answers after `seconds`."""
        with reserve_ports(1) as (port,):
            arguments = (sys.executable, "-m", "benchmarks.dispatch.endpoint", str(port), str(seconds))
            log = self.folder / "endpoint.log"
            async with run_process(build_command("endpoint", arguments, log, {}, OTHER_CORE)) as child:
                await wait_until_ready(child, lambda: is_port_open(LOOPBACK, port), seconds=30)
                async with aiohttp.ClientSession() as session:
                    yield EndpointClient(f"http://{LOOPBACK}:{port}", session)

    @asynccontextmanager
    async def create_vhost(self) -> AsyncIterator[str]:
        """Yield the URL of an empty vhost, which is deleted afterwards."""
        name = f"peer-{secrets.token_hex(4)}"
        parts = urlsplit(self.broker.url)
        login, password = parts.username or "", unquote(parts.password or "")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        headers = {"Authorization": aiohttp.encode_basic_auth(login, password)}
        async with aiohttp.ClientSession(f"{self.broker.api_url}/api/", headers=headers, raise_for_status=True) as api:
            await api.put(f"vhosts/{name}")
            await api.put(f"permissions/{name}/{login}", json=everything)
            try:
                yield urlunsplit(parts._replace(path=f"/{name}"))
            finally:
                await api.delete(f"vhosts/{name}")


@asynccontextmanager
async def open_harness() -> AsyncIterator[DispatchHarness]:
    """Run servers in a temporary folder; we and they leave the tested core free."""
    os.sched_setaffinity(0, {OTHER_CORE})
    async with run_servers("dispatcher") as servers:
        database_url = await servers.database.enable_login("kreisfunk_dispatcher")
        yield DispatchHarness(
            folder=servers.folder,
            broker=servers.broker,
            postgres=servers.database.server,
            database_url=database_url.replace("@", f":{PASSWORD}@"),
            encryption_keys=f"1:{_generate_key()}",
            index_key=_generate_key(),
        )


def _generate_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
