"""Part `rate`: used share of the permitted rate, and the worst second, also during a rolling restart."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

from benchmarks import table
from benchmarks.dispatch.factories import build_addresses, build_batches, feed_in_background, open_feeder
from benchmarks.dispatch.harness import LATENCY_SECONDS, DispatchHarness, EndpointClient, Options
from benchmarks.dispatch.replica import Replica, run_replica
from benchmarks.machine import CORES

# Limit in messages a second, replicas, whether all of them are restarted one after the other.
CASES = tuple((limit, *how) for limit in (80, 400, 1000) for how in ((1, False), (4, False), (4, True)))


@dataclass(frozen=True)
class RateUsage:
    """Use of the permitted rate while messages were always waiting."""

    limit: int
    replicas: int
    restarted: bool
    seconds: float
    rate: float
    permitted: float
    worst_second: int
    stood_still: float


async def run(harness: DispatchHarness, options: Options) -> object:
    """Print the table and return its figures."""
    table.print_header(
        "Rate: what is used of it while work waits",
        (
            "limit/s",
            "replicas",
            "meanwhile",
            "seconds",
            "sends/s",
            "permitted/s",
            "used",
            "worst sliding second",
            "endpoint stood still ms",
        ),
    )
    figures = [await _measure_case(harness, case, seconds=5 if options.quick else 20) for case in CASES]
    return [asdict(used) for used in figures]


async def _measure_case(harness: DispatchHarness, case: tuple[int, int, bool], seconds: float) -> RateUsage:
    limit, count, restarted = case
    await harness.reset_rate()
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(harness.start_endpoint(LATENCY_SECONDS))
        publisher = await stack.enter_async_context(open_feeder(harness.broker.url))
        replicas = [
            await stack.enter_async_context(
                run_replica(
                    harness,
                    endpoint.url,
                    messages_per_second=limit,
                    core=_assign_core(number),
                    name=f"dispatcher-{number}",
                )
            )
            for number in range(count)
        ]
        await stack.enter_async_context(feed_in_background(publisher, build_batches(build_addresses(harness))))
        await endpoint.wait_for_messages(2 * limit)
        started = time.monotonic()
        await asyncio.gather(asyncio.sleep(seconds), _restart(replicas if restarted else ()))
        used = await _measure_used(endpoint, case, started, replicas)
    _print(used)
    return used


def _assign_core(number: int) -> int:
    """Spread replicas over the cores: one that starts needs a whole core for a second, which costs the others slots."""
    return CORES[number % len(CORES)]


async def _restart(replicas: Sequence[Replica]) -> None:
    """Restart replicas one after the other: SIGTERM, wait for the end, start."""
    for one in replicas:
        await one.stop()
        await one.start()


async def _measure_used(
    endpoint: EndpointClient, case: tuple[int, int, bool], started: float, replicas: Sequence[Replica]
) -> RateUsage:
    elapsed = time.monotonic() - started
    times = await endpoint.fetch_times()
    within = bisect_left(times, started + elapsed) - bisect_left(times, started)
    permitted = await replicas[0].read_metric("kreisfunk_dispatcher_rate_permitted")
    return RateUsage(
        *case, elapsed, within / elapsed, permitted, find_worst_second(times), await endpoint.measure_longest_stall()
    )


def find_worst_second(times: Sequence[float]) -> int:
    """Return the largest number of messages within any sliding second."""
    return max((bisect_left(times, moment + 1.0) - position for position, moment in enumerate(times)), default=0)


def _print(used: RateUsage) -> None:
    share = f"{used.rate / used.permitted:.1%}" if used.permitted else "?"
    table.print_row(
        (
            str(used.limit),
            str(used.replicas),
            "all restarted in turn" if used.restarted else "nothing",
            f"{used.seconds:.0f}",
            f"{used.rate:.1f}",
            f"{used.permitted:.1f}",
            share,
            str(used.worst_second),
            f"{used.stood_still * 1000:.0f}",
        )
    )
