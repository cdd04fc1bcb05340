"""Part `life`: what a delivery costs from its claim to "read": processor time and WAL."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field

from benchmarks.dispatch import table
from benchmarks.dispatch.feeder import feeding, open_feeder
from benchmarks.dispatch.load import LATENCY_SECONDS
from benchmarks.dispatch.machine import TESTED_CORE, usage
from benchmarks.dispatch.material import batches, sealed_addresses
from benchmarks.dispatch.replica import Replica, replica
from benchmarks.dispatch.settings import Options
from benchmarks.dispatch.stand import Endpoint, Stand
from benchmarks.dispatch.status_groups import WAY, status
from benchmarks.dispatch.statuses import GROUP, Storm

WARM_SECONDS = 3.0
# Limit in messages a second, and whether Meta tells of each message three times.
CASES = ((80, False), (80, True), (1000, False), (1000, True))


@dataclass(frozen=True)
class Cost:
    """What one delivery cost; milliseconds of the dispatcher's processor time, bytes of write-ahead log."""

    limit: int
    statuses: bool
    rate: float
    processor_ms: float
    wal_bytes: float
    hot_share: float


@dataclass
class Trickle(Storm):
    """Statuses as Meta sends them: each step of a message in a later turn than the one before."""

    steps: deque[list[str]] = field(default_factory=lambda: deque(maxlen=len(WAY)))

    async def turn(self) -> None:
        """Publish the first status of what is new, and the next one of what came in the turns before."""
        self.steps.appendleft(await self.endpoint.ids_after(self.known))
        self.known += len(self.steps[0])
        told = [status(one, word) for word, new in zip(WAY, self.steps, strict=False) for one in new]
        await asyncio.gather(*(self._publish(told[at : at + GROUP]) for at in range(0, len(told), GROUP)))


async def run(stand: Stand, options: Options) -> object:
    """Print the table and return its figures."""
    table.start(
        "Life of a delivery, one dispatcher",
        ("limit/s", "statuses", "sends/s", "CPU ms per delivery", "WAL bytes per delivery", "updates that are HOT"),
    )
    seconds = 5 if options.quick else 20
    return [asdict(await _case(stand, limit, seconds, statuses=statuses)) for limit, statuses in CASES]


async def _case(stand: Stand, limit: int, seconds: float, *, statuses: bool) -> Cost:
    await stand.forget_rate()
    async with (
        stand.endpoint(LATENCY_SECONDS) as endpoint,
        open_feeder(stand.broker.url) as batch_publisher,
        open_feeder(stand.broker.url) as status_publisher,
        replica(stand, endpoint.url, messages_per_second=limit, core=TESTED_CORE) as ours,
        feeding(batch_publisher, batches(sealed_addresses(stand))),
    ):
        storm = Trickle(endpoint, status_publisher, copies=1, shuffled=False)
        pass_time = storm.blow if statuses else asyncio.sleep
        await pass_time(WARM_SECONDS)
        cost = await _measure(stand, ours, endpoint, limit, lambda: pass_time(seconds), statuses=statuses)
    table.row(
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
    stand: Stand,
    ours: Replica,
    endpoint: Endpoint,
    limit: int,
    pass_time: Callable[[], Awaitable[None]],
    *,
    statuses: bool,
) -> Cost:
    async with stand.books() as books:
        await books.execute("checkpoint")
        await books.execute("select pg_stat_reset()")
        count, used, started = await endpoint.count(), usage(ours.pid), time.monotonic()
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
        processor_ms=(usage(ours.pid).processor - used.processor) / sent * 1000,
        wal_bytes=float(written) / sent,
        hot_share=float(hot["hot"] or 0) / max(1.0, float(hot["updates"] or 0)),
    )
