"""Part `memory`: resident bytes of a dispatcher over a long broadcast."""

from benchmarks import table
from benchmarks.dispatch.factories import build_addresses, build_batches, feed_in_background, open_feeder
from benchmarks.dispatch.harness import DispatchHarness, Options
from benchmarks.dispatch.replica import run_replica
from benchmarks.dispatch.throughput import MESSAGES_PER_SECOND
from benchmarks.machine import TESTED_CORE, measure_usage, require_pid

AUDIENCE, QUICK_AUDIENCE = 200_000, 10_000
FAST_SECONDS = 0.005
STEPS = 10


async def run(harness: DispatchHarness, options: Options) -> object:
    """Print the table and return its figures."""
    audience = QUICK_AUDIENCE if options.quick else AUDIENCE
    table.print_header(f"Memory of one dispatcher over a broadcast to {audience:,}", ("sent", "MiB"))
    figures: dict[int, float] = {}
    async with (
        harness.start_endpoint(FAST_SECONDS) as endpoint,
        open_feeder(harness.broker.url) as publisher,
        run_replica(harness, endpoint.url, messages_per_second=MESSAGES_PER_SECOND, core=TESTED_CORE) as ours,
        feed_in_background(publisher, build_batches(build_addresses(harness), audience=audience)),
    ):
        for step in range(STEPS + 1):
            sent = await endpoint.wait_for_messages(audience * step // STEPS)
            figures[sent] = measure_usage(require_pid(ours)).memory / 2**20
            table.print_row((f"{sent:,}", f"{figures[sent]:.0f}"))
    return figures
