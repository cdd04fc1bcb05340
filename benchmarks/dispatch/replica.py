"""The dispatcher under test."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from benchmarks.dispatch.harness import CONNECTIONS, DispatchHarness
from benchmarks.dispatch.message import TOKEN
from benchmarks.machine import build_command
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.services import Service

NUMBER_ID = "700800900100200"


class Replica(Service):
    """One dispatcher process."""

    async def read_metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        url = f"http://{LOOPBACK}:{self.command.environment['KREISFUNK_INTERNAL_PORT']}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
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
        command = build_command(name, arguments, harness.folder / f"{name}.log", environment, core)
        replica = Replica(command, f"http://{LOOPBACK}:{port}/readyz")
        try:
            await replica.start()
            yield replica
        finally:
            await replica.stop()
