"""Detection of stalls of this process: whatever arrives during one is counted only afterwards, all at once."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from simulator.clock import Clock

POLL_INTERVAL_SECONDS = 0.01
MIN_STALL_SECONDS = 0.01
MAX_STALLS = 100_000


class Stall(NamedTuple):
    """A period in which nothing was handled; its end is in seconds since 1970."""

    ended_at: float
    seconds: float


class StallWatch:
    """Detector of stalls by the delay with which it wakes up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stalls: deque[Stall] = deque(maxlen=MAX_STALLS)

    @property
    def stalls(self) -> Sequence[Stall]:
        return tuple(self._stalls)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            before = self._clock()
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
            now = self._clock()
            late = now - before - POLL_INTERVAL_SECONDS
            if late > MIN_STALL_SECONDS:
                self._stalls.append(Stall(now, late))
