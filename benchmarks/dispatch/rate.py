"""Parts `rate` and `urgent`: the used share of the permitted rate, and the delay of an urgent notice."""

import asyncio
import statistics
import time
from argparse import Namespace
from bisect import bisect_left
from collections.abc import Sequence

from benchmarks.dispatch.endpoint import URGENT
from benchmarks.dispatch.harness import DispatchHarness, RunningBroadcast, build_batches, feed
from benchmarks.harness import Row, Table
from deploy.local.services import Service
from shared.contracts.message import Lane

LIMITS = (80, 400, 1000)
# Replicas, and whether all of them are restarted one after the other.
CASES = tuple((limit, *case) for limit in LIMITS for case in ((1, False), (4, False), (4, True)))
WAITING = 100_000
URGENT_AUDIENCE, URGENT_NOTICES = 20, 15
SECONDS = 20
POLL_INTERVAL_SECONDS = 0.02


async def run_rate(harness: DispatchHarness, _: Namespace) -> None:
    """Measure the used share of the rate, and the worst second, also during a rolling restart."""
    table = Table("Rate: its used share while work waits")
    for limit, replicas, restarted in CASES:
        async with harness.run_broadcast(limit, replicas=replicas) as broadcast:
            await broadcast.endpoint.wait_for_messages(2 * limit)
            started = time.monotonic()
            restart = _restart_in_turn(broadcast.dispatchers if restarted else ())
            await asyncio.gather(asyncio.sleep(SECONDS), restart)
            used = await _measure_used(harness, broadcast, started)
        event = "all restarted in turn" if restarted else "nothing"
        table.add({"limit/s": limit, "replicas": replicas, "meanwhile": event, **used})


async def _restart_in_turn(replicas: Sequence[Service]) -> None:
    """Restart replicas one after the other: SIGTERM, wait for the end, start."""
    for replica in replicas:
        await replica.stop()
        await replica.start()


async def _measure_used(harness: DispatchHarness, broadcast: RunningBroadcast, started: float) -> Row:
    ended = time.monotonic()
    times = await broadcast.endpoint.fetch_times()
    rate = (bisect_left(times, ended) - bisect_left(times, started)) / (ended - started)
    permitted = await harness.servers.owner.fetchval("select permitted from dispatcher.read_limits()")
    return {
        "seconds": ended - started,
        "sends/s": rate,
        "permitted/s": permitted,
        "used, %": 100 * rate / permitted,
        "worst sliding second": find_worst_second(times),
        "longest stall of the endpoint, ms": 1000 * (await broadcast.endpoint.fetch_account())["longest_stall"],
    }


def find_worst_second(times: Sequence[float]) -> int:
    """Return the largest number of messages within any sliding second."""
    return max((bisect_left(times, moment + 1.0) - position for position, moment in enumerate(times)), default=0)


async def run_urgent(harness: DispatchHarness, _: Namespace) -> None:
    """Measure from publishing an urgent notice to its first message while bulk deliveries wait."""
    table = Table(f"Urgent: seconds to the first message while {WAITING:,} bulk deliveries wait")
    for limit in LIMITS:
        async with harness.run_broadcast(limit, audience=WAITING) as broadcast:
            await broadcast.endpoint.wait_for_messages(2 * limit)
            delays = [
                await _measure_delay(harness, broadcast, number * URGENT_AUDIENCE) for number in range(URGENT_NOTICES)
            ]
        median, longest = statistics.median(delays), max(delays)
        table.add({"limit/s": limit, "notices": URGENT_NOTICES, "median": median, "longest": longest})


async def _measure_delay(harness: DispatchHarness, broadcast: RunningBroadcast, earlier: int) -> float:
    """Publish a notice, after those with `earlier` messages, and wait for all of its own."""
    started = time.monotonic()
    pages = build_batches(harness.addresses, lane=Lane.URGENT, headline=URGENT, audience=URGENT_AUDIENCE)
    await feed(broadcast.publisher, pages)
    while len(moments := await broadcast.endpoint.fetch_times("urgent")) < earlier + URGENT_AUDIENCE:  # noqa: ASYNC110
        await asyncio.sleep(POLL_INTERVAL_SECONDS)
    return moments[earlier] - started
