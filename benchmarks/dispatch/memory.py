"""Part `memory`: resident bytes of a dispatcher over a long broadcast."""

from benchmarks.dispatch import table
from benchmarks.dispatch.feeder import feeding, open_feeder
from benchmarks.dispatch.machine import TESTED_CORE, usage
from benchmarks.dispatch.material import batches, sealed_addresses
from benchmarks.dispatch.replica import replica
from benchmarks.dispatch.settings import Options
from benchmarks.dispatch.stand import Stand
from benchmarks.dispatch.throughput import MESSAGES_PER_SECOND

AUDIENCE, QUICK_AUDIENCE = 200_000, 10_000
FAST_SECONDS = 0.005
STEPS = 10


async def run(stand: Stand, options: Options) -> object:
    """Print the table and return its figures."""
    audience = QUICK_AUDIENCE if options.quick else AUDIENCE
    table.start(f"Memory of one dispatcher over a broadcast to {audience:,}", ("sent", "MiB"))
    figures: dict[int, float] = {}
    async with (
        stand.endpoint(FAST_SECONDS) as endpoint,
        open_feeder(stand.broker.url) as publisher,
        replica(stand, endpoint.url, messages_per_second=MESSAGES_PER_SECOND, core=TESTED_CORE) as ours,
        feeding(publisher, batches(sealed_addresses(stand), audience=audience)),
    ):
        for step in range(STEPS + 1):
            sent = await endpoint.reached(audience * step // STEPS)
            figures[sent] = usage(ours.pid).memory / 2**20
            table.row((f"{sent:,}", f"{figures[sent]:.0f}"))
    return figures
