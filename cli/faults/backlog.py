"""When work waited: what has to be known to say how much of the rate should have been used."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cli.faults.books import Looks
from shared.amqp.connection import BrokerAway, Connection, connect
from shared.amqp.inspection import ready_messages
from shared.amqp.topology import LANES
from shared.contracts.message import Lane

SAMPLE_SECONDS = 0.5
# Of work that is there at two samples further apart nobody knows whether it was there all the time.
LONGEST_GAP_SECONDS = 2.0
_LANES = (LANES[Lane.URGENT].name, LANES[Lane.BULK].name)


class Sample(NamedTuple):
    """Whether work waited and the shared rate was the full one; the time in seconds since 1970."""

    at: float
    waiting: bool


@dataclass
class BacklogWatch:
    """Looks past the proxies, at what lies on a lane, where nobody has it in hand, and at what is due in the ledger.

    The latter waits if it takes a second at `rate`, in messages per second.
    """

    broker_url: str
    looks: Looks
    rate: int
    samples: list[Sample] = field(default_factory=list)

    async def run(self) -> None:
        """Until cancelled; while the broker or the database is away nothing is known to wait."""
        while True:
            try:
                async with connect(self.broker_url, password=None, name="fault bench looks") as connection:
                    while True:
                        self.samples.append(await self._sample(connection))
                        await asyncio.sleep(SAMPLE_SECONDS)
            except (BrokerAway, TimeoutError):
                self.samples.append(Sample(time.time(), waiting=False))
                await asyncio.sleep(SAMPLE_SECONDS)

    async def _sample(self, connection: Connection) -> Sample:
        async with asyncio.timeout(LONGEST_GAP_SECONDS):
            on_lanes = sum(await ready_messages(connection, _LANES))
            waiting = on_lanes > 0 or await self.looks.due(self.rate) == self.rate
            return Sample(time.time(), waiting and await self.looks.slowed() == 0)


def waiting_spans(samples: Iterable[Sample]) -> Sequence[tuple[float, float]]:
    """Times in which work waited at every sample."""
    spans: list[tuple[float, float]] = []
    start = last = None
    for at, waiting in samples:
        if start is not None and last is not None and (not waiting or at - last > LONGEST_GAP_SECONDS):
            spans.append((start, last))
            start = None
        if waiting:
            start, last = at if start is None else start, at
    return [*spans, (start, last)] if start is not None and last is not None else spans
