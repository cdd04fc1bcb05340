"""Record of the times when work was waiting, when the full rate should have been used."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.amqp.connection import BrokerUnavailable, Connection, connect
from shared.amqp.inspection import count_by_queue
from shared.amqp.topology import LANES
from shared.contracts.message import Lane
from tests.faults.ledger_snapshot import DUE, SLOWED, LedgerProbes

SAMPLE_INTERVAL_SECONDS = 0.5
# Between two samples further apart, work need not have been waiting all the time.
MAX_GAP_SECONDS = 2.0
_LANES = (LANES[Lane.URGENT].name, LANES[Lane.BULK].name)


class BacklogSample(NamedTuple):
    """One sample, at a time in seconds since 1970.

    `waiting` is True if work was waiting while the shared rate was the full one.
    """

    at: float
    waiting: bool


@dataclass
class BacklogRecorder:
    """Sampler of ready messages on the lanes and of due deliveries in the ledger, bypassing the proxies.

    Due deliveries count as waiting work if sending them takes a second or more at `rate`, in messages per second.
    """

    broker_url: str
    probes: LedgerProbes
    rate: int
    samples: list[BacklogSample] = field(default_factory=list)

    async def run(self) -> None:
        """Sample until cancelled; while the broker or the database is unavailable, record that nothing is waiting."""
        while True:
            try:
                async with connect(self.broker_url, password=None, name="fault bench looks") as connection:
                    while True:
                        self.samples.append(await self._take_sample(connection))
                        await asyncio.sleep(SAMPLE_INTERVAL_SECONDS)
            except (BrokerUnavailable, TimeoutError):
                self.samples.append(BacklogSample(time.time(), waiting=False))
                await asyncio.sleep(SAMPLE_INTERVAL_SECONDS)

    async def _take_sample(self, connection: Connection) -> BacklogSample:
        async with asyncio.timeout(MAX_GAP_SECONDS):
            on_lanes = sum((await count_by_queue(connection, _LANES)).values())
            waiting = on_lanes > 0 or await self.probes.count(DUE, self.rate) == self.rate
            return BacklogSample(time.time(), waiting and await self.probes.count(SLOWED) == 0)


def merge_waiting_spans(samples: Iterable[BacklogSample]) -> Sequence[tuple[float, float]]:
    """Return the time spans in which work was waiting at every sample."""
    spans: list[tuple[float, float]] = []
    start = last = None
    for at, waiting in samples:
        if start is not None and last is not None and (not waiting or at - last > MAX_GAP_SECONDS):
            spans.append((start, last))
            start = None
        if waiting:
            start, last = at if start is None else start, at
    return [*spans, (start, last)] if start is not None and last is not None else spans
