"""Load and measurement, the same for each case: connections, endpoint latency, duration; the options of a run."""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.dispatch.harness import EndpointClient
from benchmarks.machine import measure_usage, require_pid
from deploy.local.process import Child

CONNECTIONS = 200
LATENCY_SECONDS = 0.05
WARM_UP_SECONDS = 1.5
START_TIMEOUT_SECONDS = 60.0
POLL_INTERVAL_SECONDS = 0.05


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
