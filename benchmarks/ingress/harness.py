"""One server as a process on the first core, and its processor time."""

import base64
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.environment import prepare_python
from benchmarks.ingress.webhooks import NUMBER_ID
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child, Command, is_port_open, wait_until_ready

REPOSITORY = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PEERS = ("fastapi", "pywa")
NAMES = ("bare", "dry", "each", "ours", *PEERS)
STORING = ("each", "ours")  # before they answer, and in our queue
TITLES = {
    "bare": "aiohttp that only answers 200",
    "dry": "the ingress without publishing",
    "each": "one confirmed aio-pika publish per webhook",
    "fastapi": "FastAPI, one confirmed publish per status",
    "pywa": "pywa (answers before it publishes)",
    "ours": "Kreisfunk ingress (group commit)",
}
CORES = os.sched_getaffinity(0)
SERVER_CORE = min(CORES)


@dataclass(frozen=True, kw_only=True)
class IngressHarness:
    """Values shared by all measurements of a run."""

    broker_url: str
    secret: str
    folder: Path


def build_environment(harness: IngressHarness, port: int, internal_port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "KREISFUNK_BROKER_URL": harness.broker_url,
        "KREISFUNK_LISTEN_HOST": LOOPBACK,
        "KREISFUNK_LISTEN_PORT": str(port),
        "KREISFUNK_INTERNAL_PORT": str(internal_port),
        "KREISFUNK_APP_SECRETS": harness.secret,
        "KREISFUNK_VERIFY_TOKEN": secrets.token_hex(16),
        "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
        "KREISFUNK_ENCRYPTION_KEYS": f"1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "KREISFUNK_INDEX_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }


async def _build_arguments(name: str, port: int) -> tuple[str, ...]:
    if name in PEERS:
        return (
            str(await prepare_python("benchmark-ingress-venv", REQUIREMENTS)),
            "-m",
            f"benchmarks.ingress.peers.with_{name}",
        )
    module = ("services.ingress",) if name == "ours" else ("benchmarks.ingress.servers", name, str(port))
    return sys.executable, "-m", *module


@asynccontextmanager
async def run_server(name: str, harness: IngressHarness) -> AsyncIterator[tuple[int, Child]]:
    """Run a server that has the first core for itself; yield its port and process."""
    with reserve_ports(2) as (port, internal_port):
        command = Command(
            name=name,
            arguments=await _build_arguments(name, port),
            log=harness.folder / f"{name}.log",
            environment=build_environment(harness, port, internal_port),
            folder=REPOSITORY,
        )
        child = Child(command)
        await child.start()
        try:
            await wait_until_ready(child, lambda: is_port_open(LOOPBACK, port), seconds=30)
            if child.pid:
                os.sched_setaffinity(child.pid, {SERVER_CORE})
            yield port, child
        finally:
            await child.stop()


def measure_processor_seconds(child: Child) -> float:
    """Return the process's processor time so far; other load on the machine affects it less than the rate."""
    times = psutil.Process(child.pid).cpu_times()
    return times.user + times.system
