"""The environment of all cases, a broker, a database with our schema and the endpoint; load and options of a run."""

import asyncio
import os
import secrets
import sys
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
import asyncpg

from benchmarks.machine import OTHER_CORE, build_command, measure_usage, require_pid, run_process
from benchmarks.servers import PASSWORD, run_servers
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.postgres import PostgresServer
from deploy.local.process import Child
from deploy.local.rabbitmq import RabbitServer
from deploy.secrets import generate_key, generate_key_ring

CONNECTIONS = 200
LATENCY_SECONDS = 0.05
WARM_UP_SECONDS = 1.5
START_TIMEOUT_SECONDS = 60.0
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
            command = build_command("endpoint", arguments, log, {}, OTHER_CORE)
            async with run_process(command, port=port), aiohttp.ClientSession() as session:
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
            encryption_keys=generate_key_ring(secrets.token_bytes),
            index_key=generate_key(secrets.token_bytes),
        )


@dataclass(frozen=True)
class DispatchSample:
    """One measurement: sends per second, processor seconds per 1,000 sends, resident bytes."""

    rate: float
    processor: float
    memory: int


async def measure(endpoint: EndpointClient, pid: int, seconds: float) -> DispatchSample:
    """Measure for `seconds` from now."""
    before, used, started = await endpoint.count(), measure_usage(pid), time.monotonic()
    await asyncio.sleep(seconds)
    after, now_used, elapsed = await endpoint.count(), measure_usage(pid), time.monotonic() - started
    sends = after - before
    if not sends:
        raise SystemExit("nothing was sent")
    return DispatchSample(sends / elapsed, (now_used.processor - used.processor) / sends * 1000, now_used.memory)


async def measure_busy(endpoint: EndpointClient, child: Child, seconds: float) -> DispatchSample:
    """Measure once the process is sending and warmed up."""
    async with asyncio.timeout(START_TIMEOUT_SECONDS):
        while await endpoint.count() < CONNECTIONS:
            require_pid(child)
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
    await asyncio.sleep(WARM_UP_SECONDS)
    return await measure(endpoint, require_pid(child), seconds)


@dataclass(frozen=True)
class Options:
    """Options of a run: `seconds` is a measurement's length, `quick` makes all smaller, `peers` includes the peers."""

    rounds: int
    seconds: float
    quick: bool
    peers: bool
