"""Statuses during a broadcast: part `life`, the cost of a delivery until "read", and floods for part `ledger`."""

import asyncio
import random
import time
from argparse import Namespace
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import asyncpg

from benchmarks.dispatch.endpoint import EndpointClient
from benchmarks.dispatch.harness import DispatchHarness, RunningBroadcast
from benchmarks.harness import Row, Table, measure_usage
from shared.amqp import topology
from shared.amqp.publisher import Publisher
from shared.contracts.envelope import encode
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses

STATUS_SEQUENCE = ("sent", "delivered", "read")
LIMIT = 1053  # Meta's limit, at which the dispatcher permits itself 1,000 a second
TURN_INTERVAL_SECONDS = 0.1
MAX_GROUP_SIZE = 100
MAX_DRAIN_SECONDS = 120.0
LIFE_WARM_UP_SECONDS, FLOOD_WARM_UP_SECONDS, SECONDS = 3.0, 1.0, 20.0
# Limit in messages a second, and whether Meta sends three statuses for each message.
LIFE_CASES = ((80, False), (80, True), (1000, False), (1000, True))
_WAL = "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
_HOT_SHARE = """
select coalesce(100.0 * sum(n_tup_hot_upd) / nullif(sum(n_tup_upd), 0), 0)::float8 from pg_stat_user_tables
where schemaname = 'dispatcher' and relname ~ '^delivery_'
"""


def build_status(delivery: str, word: str) -> DeliveryStatus:
    """Return a status; a delivery has one message here, so its id can stand for the hash of the wamid."""
    now = datetime.now(UTC)
    return DeliveryStatus(message_key=delivery[-16:].encode(), status=word, at=now, received_at=now, delivery=delivery)


def encode_group(statuses: Sequence[DeliveryStatus]) -> bytes:
    group = DeliveryStatuses(statuses=tuple(statuses))
    return encode(group, event_id=str(uuid4()), source="/benchmark", time=datetime.now(UTC))


@dataclass
class StatusFeed:
    """Meta's side: publishes the three statuses of each message received.

    `gradual` ones arrive as from Meta, each in a later turn than the previous one. Several `copies` are shuffled.
    `backlog` has the number of waiting groups at the end of each turn.
    """

    endpoint: EndpointClient
    publisher: Publisher
    copies: int = 1
    gradual: bool = False
    known: int = 0
    published: int = 0
    backlog: list[int] = field(default_factory=list)
    _turns: deque[list[str]] = field(default_factory=lambda: deque(maxlen=len(STATUS_SEQUENCE)))

    async def publish_for(self, seconds: float) -> None:
        """Publish the statuses of each turn, in groups."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            turn = time.monotonic() + TURN_INTERVAL_SECONDS
            await self.publish_next()
            await asyncio.sleep(max(0.0, turn - time.monotonic()))

    async def publish_next(self) -> None:
        """Publish the statuses that are due since the last turn."""
        new = await self.endpoint.fetch_ids_after(self.known)
        self.known += len(new)
        self._turns.appendleft(new)
        turns = self._turns if self.gradual else [new] * len(STATUS_SEQUENCE)
        due = zip(STATUS_SEQUENCE, turns, strict=False)
        statuses = [build_status(delivery, word) for word, deliveries in due for delivery in deliveries] * self.copies
        if self.copies > 1:
            random.shuffle(statuses)
        groups = [statuses[start : start + MAX_GROUP_SIZE] for start in range(0, len(statuses), MAX_GROUP_SIZE)]
        await asyncio.gather(*map(self._publish, groups))
        queue = await self.publisher.channel.declare_queue(topology.DISPATCHER_STATUSES.name, passive=True)
        self.backlog.append(queue.declaration_result.message_count or 0)

    async def _publish(self, group: Sequence[DeliveryStatus]) -> None:
        self.published += len(group)
        body, key = encode_group(group), DeliveryStatuses.KEY
        await self.publisher.publish(topology.INBOUND, key, body, message_id=str(uuid4()), timeout=30)


async def run_life(harness: DispatchHarness, _: Namespace) -> None:
    """Measure the processor time and the WAL of a delivery from its claim to "read"."""
    table = Table("Life of a delivery, one dispatcher")
    for limit, has_statuses in LIFE_CASES:
        async with harness.run_broadcast(limit) as broadcast, harness.open_feeder() as publisher:
            statuses = StatusFeed(broadcast.endpoint, publisher, gradual=True)
            pass_time = statuses.publish_for if has_statuses else asyncio.sleep
            await pass_time(LIFE_WARM_UP_SECONDS)
            cost = await _measure_cost(harness.servers.owner, broadcast, partial(pass_time, SECONDS))
        table.add({"limit/s": limit, "statuses": "three each" if has_statuses else "none", **cost})


async def _measure_cost(
    owner: asyncpg.Connection, broadcast: RunningBroadcast, pass_time: Callable[[], Awaitable[None]]
) -> Row:
    await owner.execute("checkpoint")
    await owner.execute("select pg_stat_reset()")
    endpoint, dispatcher = broadcast.endpoint, broadcast.dispatchers[0]
    count, used, started = await endpoint.count(), measure_usage(dispatcher), time.monotonic()
    wal = await owner.fetchval(_WAL)
    await pass_time()
    sent, elapsed = await endpoint.count() - count, time.monotonic() - started
    written = await owner.fetchval(_WAL) - wal
    await owner.execute("select pg_sleep(1)")
    return {
        "sends/s": sent / elapsed,
        "CPU ms per delivery": (measure_usage(dispatcher).processor - used.processor) / sent * 1000,
        "WAL bytes per delivery": float(written) / sent,
        "updates that are HOT, %": await owner.fetchval(_HOT_SHARE),
    }


async def run_floods(harness: DispatchHarness) -> None:
    """Send three statuses for each message of a broadcast: in order, and doubled and shuffled."""
    table = Table("Statuses: three for each message of a broadcast at 1,000/s, one dispatcher")
    for title, copies in (("in order", 1), ("doubled and shuffled", 2)):
        # A dispatcher cannot decrypt the addresses that the statements part left.
        await harness.servers.owner.execute("truncate dispatcher.delivery")
        async with harness.run_broadcast(LIMIT) as broadcast, harness.open_feeder() as publisher:
            statuses = StatusFeed(broadcast.endpoint, publisher, copies)
            figures = await _measure_flood(statuses, broadcast)
            await broadcast.end()
            drain = await _wait_until_drained(statuses, harness.servers.owner)
        table.add({"statuses": title, **figures, **drain})


async def _measure_flood(statuses: StatusFeed, broadcast: RunningBroadcast) -> Row:
    await statuses.publish_for(FLOOD_WARM_UP_SECONDS)
    statuses.backlog.clear()
    dispatcher = broadcast.dispatchers[0]
    known, published, used, started = statuses.known, statuses.published, measure_usage(dispatcher), time.monotonic()
    await statuses.publish_for(SECONDS)
    messages, elapsed = statuses.known - known, time.monotonic() - started
    return {
        "messages/s": messages / elapsed,
        "statuses/s": (statuses.published - published) / elapsed,
        "groups waiting halfway": statuses.backlog[len(statuses.backlog) // 2],
        "at the end": statuses.backlog[-1],
        "CPU s per 1,000 messages": (measure_usage(dispatcher).processor - used.processor) / max(messages, 1) * 1000,
    }


async def _wait_until_drained(statuses: StatusFeed, owner: asyncpg.Connection) -> Row:
    """Wait until the last status of every message is in the ledger, at most MAX_DRAIN_SECONDS."""
    started, states = time.monotonic(), {"claimed": 1}
    while set(states) != {"read"} and time.monotonic() - started < MAX_DRAIN_SECONDS:
        await statuses.publish_next()
        await asyncio.sleep(TURN_INTERVAL_SECONDS)
        rows = await owner.fetch("select state::text, count(*) from dispatcher.delivery group by state order by state")
        states = {row["state"]: row["count"] for row in rows}
    ledger = ", ".join(f"{state} {count:,}" for state, count in states.items())
    return {"seconds until all are recorded": time.monotonic() - started, "ledger then": ledger}
