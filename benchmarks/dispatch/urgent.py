"""Part `urgent`: from publishing an urgent notice to its first message while 100,000 bulk deliveries wait."""

import asyncio
import statistics
import time
from collections.abc import Sequence

from benchmarks.dispatch import table
from benchmarks.dispatch.endpoint import URGENT
from benchmarks.dispatch.feeder import feeding, open_feeder, publish
from benchmarks.dispatch.load import LATENCY_SECONDS
from benchmarks.dispatch.machine import TESTED_CORE
from benchmarks.dispatch.material import batches, sealed_addresses
from benchmarks.dispatch.replica import replica
from benchmarks.dispatch.settings import Options
from benchmarks.dispatch.stand import Endpoint, Stand
from shared.amqp.publisher import Publisher
from shared.contracts.dispatch import BroadcastBatch
from shared.contracts.message import Address, Lane

WAITING = 100_000
LIMITS = (80, 400, 1000)
AUDIENCE = 20
POLL_SECONDS = 0.02


async def run(stand: Stand, options: Options) -> object:
    """Print the table and return its figures."""
    table.start(
        f"Urgent: seconds to the first message while {WAITING:,} bulk deliveries wait",
        ("limit/s", "notices", "median", "longest"),
    )
    return {limit: await _case(stand, limit, notices=3 if options.quick else 15) for limit in LIMITS}


async def _case(stand: Stand, limit: int, notices: int) -> list[float]:
    await stand.forget_rate()
    addresses = sealed_addresses(stand)
    async with (
        stand.endpoint(LATENCY_SECONDS) as endpoint,
        open_feeder(stand.broker.url) as publisher,
        replica(stand, endpoint.url, messages_per_second=limit, core=TESTED_CORE),
        feeding(publisher, batches(addresses, audience=WAITING)),
    ):
        await endpoint.reached(2 * limit)
        delays = [await _delay(endpoint, publisher, addresses, number * AUDIENCE) for number in range(notices)]
    table.row((str(limit), str(notices), f"{statistics.median(delays):.3f}", f"{max(delays):.3f}"))
    return delays


async def _delay(endpoint: Endpoint, publisher: Publisher, addresses: Sequence[Address], earlier: int) -> float:
    started = time.monotonic()
    await publish(publisher, _notice(addresses))
    while len(moments := await endpoint.times("urgent")) < earlier + AUDIENCE:  # noqa: ASYNC110 - another process counts
        await asyncio.sleep(POLL_SECONDS)
    return moments[earlier] - started


def _notice(addresses: Sequence[Address]) -> BroadcastBatch:
    return next(batches(addresses, lane=Lane.URGENT, headline=URGENT.decode(), audience=AUDIENCE))
