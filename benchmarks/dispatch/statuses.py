"""Three statuses for each message while a broadcast runs: in order, and doubled and shuffled."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from uuid import uuid4

import asyncpg

from benchmarks.dispatch import table
from benchmarks.dispatch.feeder import feeding, open_feeder
from benchmarks.dispatch.load import LATENCY_SECONDS
from benchmarks.dispatch.machine import TESTED_CORE, usage
from benchmarks.dispatch.material import batches, sealed_addresses
from benchmarks.dispatch.replica import Replica, replica
from benchmarks.dispatch.settings import Options
from benchmarks.dispatch.stand import Endpoint, Stand
from benchmarks.dispatch.status_groups import WAY, group_body, status
from shared.amqp import topology
from shared.amqp.publisher import Publisher
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses

LIMIT = 1053  # of which 1,000 a second are permitted
TURN_SECONDS = 0.1
GROUP = 100
LONGEST_DRAIN_SECONDS = 120.0


@dataclass
class Storm:
    """Meta's side: for each message that came, its statuses, `copies` times and in whatever order."""

    endpoint: Endpoint
    publisher: Publisher
    copies: int
    shuffled: bool
    known: int = 0
    published: int = 0
    backlog: list[int] = field(default_factory=list)

    async def blow(self, seconds: float) -> None:
        """Statuses of what came in each turn, groups of up to 100."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            turn = time.monotonic() + TURN_SECONDS
            await self.turn()
            await asyncio.sleep(max(0.0, turn - time.monotonic()))

    async def turn(self) -> None:
        """The statuses of what has come since the last turn."""
        deliveries = await self.endpoint.ids_after(self.known)
        self.known += len(deliveries)
        statuses = [status(one, word) for word in WAY for one in deliveries] * self.copies
        if self.shuffled:
            random.shuffle(statuses)
        await asyncio.gather(*(self._publish(statuses[at : at + GROUP]) for at in range(0, len(statuses), GROUP)))
        self.backlog.append(await self.waiting())

    async def _publish(self, group: Sequence[DeliveryStatus]) -> None:
        self.published += len(group)
        body, key = group_body(group), DeliveryStatuses.KEY
        await self.publisher.publish(topology.INBOUND, key, body, message_id=str(uuid4()), timeout=30)

    async def waiting(self) -> int:
        """Groups that no dispatcher has in hand."""
        queue = await self.publisher.channel.declare_queue(topology.DISPATCHER_STATUSES.name, passive=True)
        return queue.declaration_result.message_count or 0


@dataclass(frozen=True)
class Weathered:
    """What a storm did; backlogs are in groups."""

    messages_a_second: float
    statuses_a_second: float
    backlog_halfway: int
    backlog_at_the_end: int
    processor: float


async def run(stand: Stand, options: Options) -> object:
    """Print the table and return its figures."""
    table.start(
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
        "in order": await _case(stand, "in order", seconds, copies=1, shuffled=False),
        "doubled": await _case(stand, "doubled and shuffled", seconds, copies=2, shuffled=True),
    }


async def _case(stand: Stand, title: str, seconds: float, *, copies: int, shuffled: bool) -> object:
    await stand.forget_rate()
    async with (
        stand.books() as books,
        stand.endpoint(LATENCY_SECONDS) as endpoint,
        open_feeder(stand.broker.url) as batch_publisher,
        open_feeder(stand.broker.url) as status_publisher,
        replica(stand, endpoint.url, messages_per_second=LIMIT, core=TESTED_CORE) as ours,
    ):
        await books.execute("truncate dispatcher.delivery")
        storm = Storm(endpoint, status_publisher, copies, shuffled)
        async with feeding(batch_publisher, batches(sealed_addresses(stand))):
            weathered = await _weather(storm, ours, seconds)
        drained, states = await _drained(storm, books)
    _print(title, weathered, drained, states)
    return {**asdict(weathered), "drained_after": drained, "states": states}


async def _weather(storm: Storm, ours: Replica, seconds: float) -> Weathered:
    await storm.blow(1.0)  # warm
    storm.backlog.clear()
    known, published, used, started = storm.known, storm.published, usage(ours.pid), time.monotonic()
    await storm.blow(seconds)
    messages, elapsed = storm.known - known, time.monotonic() - started
    return Weathered(
        messages_a_second=messages / elapsed,
        statuses_a_second=(storm.published - published) / elapsed,
        backlog_halfway=storm.backlog[len(storm.backlog) // 2],
        backlog_at_the_end=storm.backlog[-1],
        processor=(usage(ours.pid).processor - used.processor) / max(messages, 1) * 1000,
    )


async def _drained(storm: Storm, books: asyncpg.Connection) -> tuple[float, dict[str, int]]:
    """Until the furthest status of everything that was sent is on record, or the time is over."""
    started, states = time.monotonic(), {"claimed": 1}
    while set(states) != {"read"} and time.monotonic() - started < LONGEST_DRAIN_SECONDS:
        await storm.turn()
        await asyncio.sleep(TURN_SECONDS)
        rows = await books.fetch("select state::text, count(*) from dispatcher.delivery group by state")
        states = {row["state"]: row["count"] for row in rows}
    return time.monotonic() - started, states


def _print(title: str, weathered: Weathered, drained: float, states: dict[str, int]) -> None:
    table.row(
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
