"""How each case is loaded and measured: the same connections, the same endpoint, the same window."""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.dispatch.machine import living, usage
from benchmarks.dispatch.stand import Endpoint
from deploy.local.process import Child

CONNECTIONS = 200
LATENCY_SECONDS = 0.05
WARM_UP_SECONDS = 1.5
START_SECONDS = 60.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Round:
    """One case, once: sends per second, processor seconds per 1,000 sends, resident bytes."""

    rate: float
    processor: float
    memory: int


async def measure(endpoint: Endpoint, pid: int, seconds: float) -> Round:
    """What happens in so many seconds from now."""
    before, used, started = await endpoint.count(), usage(pid), time.monotonic()
    await asyncio.sleep(seconds)
    after, now_used, elapsed = await endpoint.count(), usage(pid), time.monotonic() - started
    sends = after - before
    if not sends:
        raise SystemExit("nothing was sent")
    return Round(sends / elapsed, (now_used.processor - used.processor) / sends * 1000, now_used.memory)


async def measure_busy(endpoint: Endpoint, child: Child, seconds: float) -> Round:
    """The same, once it works and is warm."""
    async with asyncio.timeout(START_SECONDS):
        while await endpoint.count() < CONNECTIONS:
            living(child)
            await asyncio.sleep(POLL_SECONDS)
    await asyncio.sleep(WARM_UP_SECONDS)
    return await measure(endpoint, living(child), seconds)
