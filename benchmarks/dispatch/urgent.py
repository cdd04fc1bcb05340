"""Part `urgent`: time from publishing an urgent notice to its first message while 100,000 bulk deliveries wait."""

import asyncio
import statistics
import time
from collections.abc import Sequence

from benchmarks import table
from benchmarks.dispatch.endpoint import URGENT
from benchmarks.dispatch.factories import build_addresses, build_batches, feed_in_background, open_feeder, publish
from benchmarks.dispatch.harness import LATENCY_SECONDS, DispatchHarness, EndpointClient, Options
from benchmarks.dispatch.replica import run_replica
from benchmarks.machine import TESTED_CORE
from shared.amqp.publisher import Publisher
from shared.contracts.dispatch import BroadcastBatch
from shared.contracts.message import Address, Lane

WAITING = 100_000
LIMITS = (80, 400, 1000)
AUDIENCE = 20
POLL_INTERVAL_SECONDS = 0.02


async def run(harness: DispatchHarness, options: Options) -> object:
    """Print the table and return its figures."""
    table.print_header(
        f"Urgent: seconds to the first message while {WAITING:,} bulk deliveries wait",
        ("limit/s", "notices", "median", "longest"),
    )
    return {limit: await _measure_case(harness, limit, notices=3 if options.quick else 15) for limit in LIMITS}


async def _measure_case(harness: DispatchHarness, limit: int, notices: int) -> list[float]:
    await harness.reset_rate()
    addresses = build_addresses(harness)
    async with (
        harness.start_endpoint(LATENCY_SECONDS) as endpoint,
        open_feeder(harness.broker.url) as publisher,
        run_replica(harness, endpoint.url, messages_per_second=limit, core=TESTED_CORE),
        feed_in_background(publisher, build_batches(addresses, audience=WAITING)),
    ):
        await endpoint.wait_for_messages(2 * limit)
        delays = [await _measure_delay(endpoint, publisher, addresses, number * AUDIENCE) for number in range(notices)]
    table.print_row((str(limit), str(notices), f"{statistics.median(delays):.3f}", f"{max(delays):.3f}"))
    return delays


async def _measure_delay(
    endpoint: EndpointClient, publisher: Publisher, addresses: Sequence[Address], earlier: int
) -> float:
    started = time.monotonic()
    await publish(publisher, _build_notice(addresses))
    while len(moments := await endpoint.fetch_times("urgent")) < earlier + AUDIENCE:  # noqa: ASYNC110 - another process counts
        await asyncio.sleep(POLL_INTERVAL_SECONDS)
    return moments[earlier] - started


def _build_notice(addresses: Sequence[Address]) -> BroadcastBatch:
    return next(build_batches(addresses, lane=Lane.URGENT, headline=URGENT.decode(), audience=AUDIENCE))
