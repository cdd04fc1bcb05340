"""The dispatcher under test."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from benchmarks.dispatch.harness import DispatchHarness
from benchmarks.dispatch.load import CONNECTIONS
from benchmarks.dispatch.message import TOKEN
from benchmarks.machine import build_command, require_pid
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child, wait_until_ready

NUMBER_ID = "700800900100200"
READY_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Replica:
    """One dispatcher process and its internal port."""

    child: Child
    url: str
    session: aiohttp.ClientSession

    @property
    def pid(self) -> int:
        return require_pid(self.child)

    async def start(self) -> None:
        """Start the process and return when it is ready."""
        await self.child.start()
        await wait_until_ready(self.child, self._is_ready, seconds=READY_TIMEOUT_SECONDS)

    async def _is_ready(self) -> bool:
        try:
            async with self.session.get(f"{self.url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def read_metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        async with self.session.get(f"{self.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


@asynccontextmanager
async def run_replica(
    harness: DispatchHarness, endpoint_url: str, *, messages_per_second: float, core: int, name: str = "dispatcher"
) -> AsyncIterator[Replica]:
    """Run a dispatcher and yield it once it is ready."""
    with reserve_ports(1) as (port,):
        environment = {
            "KREISFUNK_BROKER_URL": harness.broker.url,
            "KREISFUNK_INTERNAL_PORT": str(port),
            "KREISFUNK_DATABASE_URL": harness.database_url,
            "KREISFUNK_GRAPH_URL": endpoint_url,
            "KREISFUNK_GRAPH_TOKEN": TOKEN,
            "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
            "KREISFUNK_ENCRYPTION_KEYS": harness.encryption_keys,
            "KREISFUNK_INDEX_KEY": harness.index_key,
            "KREISFUNK_MESSAGES_PER_SECOND": str(messages_per_second),
            "KREISFUNK_CONNECTIONS": str(CONNECTIONS),
        }
        arguments = (sys.executable, "-m", "services.dispatcher")
        child = Child(build_command(name, arguments, harness.folder / f"{name}.log", environment, core))
        async with aiohttp.ClientSession() as session:
            made = Replica(child, f"http://{LOOPBACK}:{port}", session)
            try:
                await made.start()
                yield made
            finally:
                await child.stop()
