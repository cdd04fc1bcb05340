"""One server as a process on the first core, and its processor time."""

import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import prepare_python
from benchmarks.ingress.webhooks import NUMBER_ID
from benchmarks.machine import TESTED_CORE, build_command, run_process
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child
from deploy.secrets import generate_key, generate_key_ring

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
STOP_TIMEOUT_SECONDS = 20  # longer than its drain deadline


@dataclass(frozen=True, kw_only=True)
class IngressHarness:
    """Values shared by all measurements of a run."""

    broker_url: str
    secret: str
    folder: Path


def build_environment(harness: IngressHarness, port: int, internal_port: int) -> dict[str, str]:
    return {
        "KREISFUNK_BROKER_URL": harness.broker_url,
        "KREISFUNK_LISTEN_HOST": LOOPBACK,
        "KREISFUNK_LISTEN_PORT": str(port),
        "KREISFUNK_INTERNAL_PORT": str(internal_port),
        "KREISFUNK_APP_SECRETS": harness.secret,
        "KREISFUNK_VERIFY_TOKEN": secrets.token_hex(16),
        "KREISFUNK_PHONE_NUMBER_ID": NUMBER_ID,
        "KREISFUNK_ENCRYPTION_KEYS": generate_key_ring(secrets.token_bytes),
        "KREISFUNK_INDEX_KEY": generate_key(secrets.token_bytes),
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
        arguments, log = await _build_arguments(name, port), harness.folder / f"{name}.log"
        command = build_command(name, arguments, log, build_environment(harness, port, internal_port), TESTED_CORE)
        async with run_process(command, port=port, stop_seconds=STOP_TIMEOUT_SECONDS) as child:
            yield port, child
