"""Parts `throughput` and `memory`: one process on one core at full speed, compared with the limit and the peers."""

import asyncio
import secrets
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.dispatch.endpoint import POLL_INTERVAL_SECONDS, EndpointClient
from benchmarks.dispatch.harness import CONNECTIONS, FULL_SPEED, LATENCY_SECONDS, DispatchHarness
from benchmarks.harness import (
    OTHER_CORE,
    TESTED_CORE,
    Table,
    build_command,
    compute_median,
    compute_ratio,
    measure_usage,
    prepare_python,
    run_process,
    run_rounds,
)
from deploy.container_secrets import ADMIN
from deploy.local.environments import PHONE_NUMBER_ID
from deploy.local.process import Child, run_to_end

WARM_UP_SECONDS = 1.5
START_TIMEOUT_SECONDS = 60.0
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
MODULES = "benchmarks.dispatch.peers"
LIMIT, OURS = "bare aiohttp loop (the limit)", "Kreisfunk dispatcher"
AUDIENCE = 200_000
FAST_SECONDS = 0.005
STEPS = 10


@dataclass(frozen=True)
class Peer:
    """A worker of a peer, and its module, which fills the queue.

    `prepared` is the number of messages to queue per second of measurement; 0 for the limit, which has no queue.
    """

    module: str
    worker: tuple[str, ...]
    prepared: int


_TASKIQ = ("taskiq", "worker", "--workers", "1", "--log-level", "WARNING", "--max-async-tasks", str(CONNECTIONS))
_CELERY = ("celery", "-A", f"{MODULES}.with_celery", "worker", "-l", "WARNING", "--without-mingle")
_DRAMATIQ = ("dramatiq", "--processes", "1", "--threads", str(CONNECTIONS))
BARE = Peer("bare", (f"{MODULES}.bare",), 0)
PEERS = {
    "taskiq + aiohttp": Peer("with_taskiq", (*_TASKIQ, f"{MODULES}.with_taskiq:broker"), 4000),
    "FastStream + aiohttp": Peer("with_faststream", (f"{MODULES}.with_faststream", "run"), 4000),
    "Celery, 200 threads + httpx": Peer("with_celery", (*_CELERY, "-P", "threads", "-c", str(CONNECTIONS)), 2500),
    "Celery, 64 processes + httpx": Peer("with_celery", (*_CELERY, "-P", "prefork", "-c", "64"), 1500),
    "dramatiq, 200 threads + httpx": Peer("with_dramatiq", (*_DRAMATIQ, f"{MODULES}.with_dramatiq"), 2500),
}


@dataclass(frozen=True)
class DispatchSample:
    """One measurement: sends per second, processor seconds per 1,000 sends, resident bytes."""

    rate: float
    processor: float
    memory: int


async def run_throughput(harness: DispatchHarness, options: Namespace) -> None:
    peers = {} if options.no_peers else PEERS
    python = sys.executable if options.no_peers else await prepare_python("benchmark-venv", REQUIREMENTS)
    cases: dict[str, Callable[[], Awaitable[DispatchSample]]] = {
        LIMIT: partial(_measure_peer, harness, options.seconds, BARE, sys.executable),
        OURS: partial(_measure_ours, harness, options.seconds),
        **{title: partial(_measure_peer, harness, options.seconds, peer, python) for title, peer in peers.items()},
    }
    rounds = await run_rounds(options.rounds, cases)
    table = Table(
        f"Throughput: one process on one core, {CONNECTIONS} connections, {LATENCY_SECONDS * 1000:.0f} ms endpoint, "
        f"median of {options.rounds}"
    )
    for title, samples in rounds.items():
        table.add({"case": title, **_summarize(samples, rounds[LIMIT])})


def _summarize(samples: Sequence[DispatchSample], limit: Sequence[DispatchSample]) -> dict[str, float]:
    return {
        "sends/s": compute_median(samples, lambda sample: sample.rate),
        "of the limit": compute_ratio(samples, limit, lambda sample: sample.rate),
        "CPU s per 1,000": compute_median(samples, lambda sample: sample.processor),
        "CPU of the limit": compute_ratio(samples, limit, lambda sample: sample.processor),
        "MiB": compute_median(samples, lambda sample: sample.memory) / 2**20,
    }


async def _measure_ours(harness: DispatchHarness, seconds: float) -> DispatchSample:
    async with harness.run_broadcast(FULL_SPEED) as broadcast:
        sample = await _measure_busy(broadcast.endpoint, broadcast.dispatchers[0], seconds)
        ids = await broadcast.endpoint.fetch_ids_after(0)
    if len(set(ids)) < len(ids):
        raise SystemExit("the dispatcher sent something twice")
    return sample


async def _measure_peer(harness: DispatchHarness, seconds: float, peer: Peer, python: str) -> DispatchSample:
    async with harness.start_endpoint() as endpoint, _create_vhost(harness) as broker_url:
        environment = {
            "BENCHMARK_BROKER_URL": broker_url,
            "BENCHMARK_ENDPOINT_URL": f"{endpoint.url}/v26.0/{PHONE_NUMBER_ID}/messages",
            "BENCHMARK_IN_FLIGHT": str(CONNECTIONS),
        }
        folder, prepared = harness.servers.folder, CONNECTIONS + int(peer.prepared * (seconds + 2 * WARM_UP_SECONDS))
        if peer.prepared:
            fill = (f"{MODULES}.{peer.module}", str(prepared))
            await run_to_end(build_command("filling", fill, folder, environment, core=OTHER_CORE, python=python))
        worker = build_command("worker", peer.worker, folder, environment, core=TESTED_CORE, python=python)
        async with run_process(worker) as child:
            sample = await _measure_busy(endpoint, child, seconds)
            if peer.prepared and await endpoint.count() >= prepared:
                raise SystemExit(f"{peer.module}: its queue ran dry")
            return sample


@asynccontextmanager
async def _create_vhost(harness: DispatchHarness) -> AsyncIterator[str]:
    """Yield the URL of an empty vhost, which is deleted afterwards."""
    name, broker = f"peer-{secrets.token_hex(4)}", harness.servers.servers.rabbitmq
    await broker.run_rabbitmqctl("add_vhost", name)
    await broker.run_rabbitmqctl("set_permissions", "--vhost", name, ADMIN, ".*", ".*", ".*")
    try:
        yield urlsplit(broker.url)._replace(path=f"/{name}").geturl()
    finally:
        await broker.run_rabbitmqctl("delete_vhost", name)


async def _measure_busy(endpoint: EndpointClient, child: Child, seconds: float) -> DispatchSample:
    """Measure for `seconds` once the process is sending and warmed up."""
    async with asyncio.timeout(START_TIMEOUT_SECONDS):
        while await endpoint.count() < CONNECTIONS:
            measure_usage(child)  # ends the benchmark if the process has ended
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
    await asyncio.sleep(WARM_UP_SECONDS)
    before, usage_before, started = await endpoint.count(), measure_usage(child), time.monotonic()
    await asyncio.sleep(seconds)
    sends, usage, elapsed = await endpoint.count() - before, measure_usage(child), time.monotonic() - started
    if not sends:
        raise SystemExit("nothing was sent")
    return DispatchSample(sends / elapsed, (usage.processor - usage_before.processor) / sends * 1000, usage.memory)


async def run_memory(harness: DispatchHarness, _: Namespace) -> None:
    """Measure the resident bytes of a dispatcher over a long broadcast."""
    table = Table(f"Memory of one dispatcher over a broadcast to {AUDIENCE:,}")
    async with harness.run_broadcast(FULL_SPEED, audience=AUDIENCE, seconds=FAST_SECONDS) as broadcast:
        for step in range(STEPS + 1):
            sent = await broadcast.endpoint.wait_for_messages(AUDIENCE * step // STEPS)
            table.add({"sent": f"{sent:,}", "MiB": measure_usage(broadcast.dispatchers[0]).memory / 2**20})
