"""Part `life`: cost of a delivery from its claim to "read": processor time and WAL."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field

from benchmarks import table
from benchmarks.dispatch.factories import (
    STATUS_SEQUENCE,
    build_addresses,
    build_batches,
    build_status,
    feed_in_background,
    open_feeder,
)
from benchmarks.dispatch.harness import LATENCY_SECONDS, DispatchHarness, EndpointClient, Options
from benchmarks.dispatch.replica import Replica, run_replica
from benchmarks.dispatch.statuses import MAX_GROUP_SIZE, StatusFeed
from benchmarks.machine import TESTED_CORE, measure_usage, require_pid

WARM_UP_SECONDS = 3.0
# Limit in messages a second, and whether Meta sends three statuses for each message.
CASES = ((80, False), (80, True), (1000, False), (1000, True))


@dataclass(frozen=True)
class Cost:
    """Cost of one delivery: milliseconds of the dispatcher's processor time, bytes of write-ahead log."""

    limit: int
    statuses: bool
    rate: float
    processor_ms: float
    wal_bytes: float
    hot_share: float


@dataclass
class GradualStatusFeed(StatusFeed):
    """Status feed in Meta's way: each status of a message in a later turn than the one before."""

    steps: deque[list[str]] = field(default_factory=lambda: deque(maxlen=len(STATUS_SEQUENCE)))

    async def publish_next(self) -> None:
        """Publish the first status of new messages, and the next status of those from earlier turns."""
        self.steps.appendleft(await self.endpoint.fetch_ids_after(self.known))
        self.known += len(self.steps[0])
        told = [build_status(one, word) for word, new in zip(STATUS_SEQUENCE, self.steps, strict=False) for one in new]
        await asyncio.gather(
            *(self._publish(told[at : at + MAX_GROUP_SIZE]) for at in range(0, len(told), MAX_GROUP_SIZE))
        )


async def run(harness: DispatchHarness, options: Options) -> object:
    """Print the table and return its figures."""
    table.print_header(
        "Life of a delivery, one dispatcher",
        ("limit/s", "statuses", "sends/s", "CPU ms per delivery", "WAL bytes per delivery", "updates that are HOT"),
    )
    seconds = 5 if options.quick else 20
    return [asdict(await _measure_case(harness, limit, seconds, statuses=statuses)) for limit, statuses in CASES]


async def _measure_case(harness: DispatchHarness, limit: int, seconds: float, *, statuses: bool) -> Cost:
    await harness.reset_rate()
    async with (
        harness.start_endpoint(LATENCY_SECONDS) as endpoint,
        open_feeder(harness.broker.url) as batch_publisher,
        open_feeder(harness.broker.url) as status_publisher,
        run_replica(harness, endpoint.url, messages_per_second=limit, core=TESTED_CORE) as ours,
        feed_in_background(batch_publisher, build_batches(build_addresses(harness))),
    ):
        storm = GradualStatusFeed(endpoint, status_publisher, copies=1, shuffled=False)
        pass_time = storm.publish_for if statuses else asyncio.sleep
        await pass_time(WARM_UP_SECONDS)
        cost = await _measure(harness, ours, endpoint, limit, lambda: pass_time(seconds), statuses=statuses)
    table.print_row(
        (
            str(cost.limit),
            "three each" if statuses else "none",
            f"{cost.rate:.1f}",
            f"{cost.processor_ms:.2f}",
            f"{cost.wal_bytes:,.0f}",
            f"{cost.hot_share:.0%}",
        )
    )
    return cost


async def _measure(
    harness: DispatchHarness,
    ours: Replica,
    endpoint: EndpointClient,
    limit: int,
    pass_time: Callable[[], Awaitable[None]],
    *,
    statuses: bool,
) -> Cost:
    async with harness.connect_as_owner() as books:
        await books.execute("checkpoint")
        await books.execute("select pg_stat_reset()")
        count, used, started = await endpoint.count(), measure_usage(require_pid(ours)), time.monotonic()
        wal = await books.fetchval("select pg_current_wal_insert_lsn()")
        await pass_time()
        sent, elapsed = await endpoint.count() - count, time.monotonic() - started
        written = await books.fetchval("select pg_current_wal_insert_lsn() - $1::pg_lsn", wal)
        await books.execute("select pg_sleep(1)")
        hot = await books.fetchrow(
            "select sum(n_tup_hot_upd) as hot, sum(n_tup_upd) as updates from pg_stat_user_tables"
            " where schemaname = 'dispatcher' and relname ~ '^delivery_'"
        )
    assert hot is not None  # noqa: S101 - sums have one row
    return Cost(
        limit=limit,
        statuses=statuses,
        rate=sent / elapsed,
        processor_ms=(measure_usage(require_pid(ours)).processor - used.processor) / sent * 1000,
        wal_bytes=float(written) / sent,
        hot_share=float(hot["hot"] or 0) / max(1.0, float(hot["updates"] or 0)),
    )
