"""Three statuses for each message during a broadcast: in order, and doubled and shuffled."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from uuid import uuid4

import asyncpg

from benchmarks import table
from benchmarks.dispatch.factories import (
    STATUS_SEQUENCE,
    build_addresses,
    build_batches,
    build_status,
    encode_group,
    feed_in_background,
    open_feeder,
)
from benchmarks.dispatch.harness import LATENCY_SECONDS, DispatchHarness, EndpointClient, Options
from benchmarks.dispatch.replica import Replica, run_replica
from benchmarks.machine import TESTED_CORE, measure_usage, require_pid
from shared.amqp import topology
from shared.amqp.publisher import Publisher
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses

LIMIT = 1053  # of which 1,000 a second are permitted
TURN_INTERVAL_SECONDS = 0.1
MAX_GROUP_SIZE = 100
MAX_DRAIN_SECONDS = 120.0


@dataclass
class StatusFeed:
    """Meta's side: publishes the statuses of each message received, `copies` times and shuffled if asked."""

    endpoint: EndpointClient
    publisher: Publisher
    copies: int
    shuffled: bool
    known: int = 0
    published: int = 0
    backlog: list[int] = field(default_factory=list)

    async def publish_for(self, seconds: float) -> None:
        """Publish the statuses of the messages of each turn, in groups of up to 100."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            turn = time.monotonic() + TURN_INTERVAL_SECONDS
            await self.publish_next()
            await asyncio.sleep(max(0.0, turn - time.monotonic()))

    async def publish_next(self) -> None:
        """Publish the statuses of messages received since the last turn."""
        deliveries = await self.endpoint.fetch_ids_after(self.known)
        self.known += len(deliveries)
        statuses = [build_status(one, word) for word in STATUS_SEQUENCE for one in deliveries] * self.copies
        if self.shuffled:
            random.shuffle(statuses)
        await asyncio.gather(
            *(self._publish(statuses[at : at + MAX_GROUP_SIZE]) for at in range(0, len(statuses), MAX_GROUP_SIZE))
        )
        self.backlog.append(await self.count_waiting())

    async def _publish(self, group: Sequence[DeliveryStatus]) -> None:
        self.published += len(group)
        body, key = encode_group(group), DeliveryStatuses.KEY
        await self.publisher.publish(topology.INBOUND, key, body, message_id=str(uuid4()), timeout=30)

    async def count_waiting(self) -> int:
        """Count groups in the queue that no dispatcher has taken."""
        queue = await self.publisher.channel.declare_queue(topology.DISPATCHER_STATUSES.name, passive=True)
        return queue.declaration_result.message_count or 0


@dataclass(frozen=True)
class StatusSample:
    """Result of one case; backlogs are in groups."""

    messages_a_second: float
    statuses_a_second: float
    backlog_halfway: int
    backlog_at_the_end: int
    processor: float


async def run(harness: DispatchHarness, options: Options) -> object:
    """Print the table and return its figures."""
    table.print_header(
        "Statuses: three for each message of a broadcast at 1,000/s, one dispatcher",
        (
            "statuses",
            "messages/s",
            "statuses/s",
            "groups waiting halfway",
            "at the end",
            "CPU s per 1,000 messages",
            "seconds until all is on record",
            "ledger then",
        ),
    )
    seconds = 4 if options.quick else 20
    return {
        "in order": await _measure_case(harness, "in order", seconds, copies=1, shuffled=False),
        "doubled": await _measure_case(harness, "doubled and shuffled", seconds, copies=2, shuffled=True),
    }


async def _measure_case(harness: DispatchHarness, title: str, seconds: float, *, copies: int, shuffled: bool) -> object:
    await harness.reset_rate()
    async with harness.connect_as_owner() as books:
        await books.execute("truncate dispatcher.delivery")  # a dispatcher cannot decrypt those of the statements
        async with (
            harness.start_endpoint(LATENCY_SECONDS) as endpoint,
            open_feeder(harness.broker.url) as batch_publisher,
            open_feeder(harness.broker.url) as status_publisher,
            run_replica(harness, endpoint.url, messages_per_second=LIMIT, core=TESTED_CORE) as ours,
        ):
            storm = StatusFeed(endpoint, status_publisher, copies, shuffled)
            async with feed_in_background(batch_publisher, build_batches(build_addresses(harness))):
                weathered = await _measure_feed(storm, ours, seconds)
            drained, states = await _wait_until_drained(storm, books)
    _print(title, weathered, drained, states)
    return {**asdict(weathered), "drained_after": drained, "states": states}


async def _measure_feed(storm: StatusFeed, ours: Replica, seconds: float) -> StatusSample:
    await storm.publish_for(1.0)  # warm-up
    storm.backlog.clear()
    known, published, used, started = storm.known, storm.published, measure_usage(require_pid(ours)), time.monotonic()
    await storm.publish_for(seconds)
    messages, elapsed = storm.known - known, time.monotonic() - started
    return StatusSample(
        messages_a_second=messages / elapsed,
        statuses_a_second=(storm.published - published) / elapsed,
        backlog_halfway=storm.backlog[len(storm.backlog) // 2],
        backlog_at_the_end=storm.backlog[-1],
        processor=(measure_usage(require_pid(ours)).processor - used.processor) / max(messages, 1) * 1000,
    )


async def _wait_until_drained(storm: StatusFeed, books: asyncpg.Connection) -> tuple[float, dict[str, int]]:
    """Wait until the last status of every message is in the ledger, or the time is over."""
    started, states = time.monotonic(), {"claimed": 1}
    while set(states) != {"read"} and time.monotonic() - started < MAX_DRAIN_SECONDS:
        await storm.publish_next()
        await asyncio.sleep(TURN_INTERVAL_SECONDS)
        rows = await books.fetch("select state::text, count(*) from dispatcher.delivery group by state")
        states = {row["state"]: row["count"] for row in rows}
    return time.monotonic() - started, states


def _print(title: str, weathered: StatusSample, drained: float, states: dict[str, int]) -> None:
    table.print_row(
        (
            title,
            f"{weathered.messages_a_second:,.0f}",
            f"{weathered.statuses_a_second:,.0f}",
            str(weathered.backlog_halfway),
            str(weathered.backlog_at_the_end),
            f"{weathered.processor:.3f}",
            f"{drained:.1f}",
            ", ".join(f"{state} {count:,}" for state, count in sorted(states.items())),
        )
    )
