"""When this process itself stood still: what arrived meanwhile was only counted afterwards, all at once."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from simulator.clock import Clock

POLL_INTERVAL_SECONDS = 0.01
MIN_STALL_SECONDS = 0.01
MAX_STALLS = 100_000


class Stall(NamedTuple):
    """A time in which nothing was handled; the end in seconds since 1970."""

    ended_at: float
    seconds: float


class StallWatch:
    """Notices by how much it is woken too late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stalls: deque[Stall] = deque(maxlen=MAX_STALLS)

    @property
    def stalls(self) -> Sequence[Stall]:
        return tuple(self._stalls)

    async def run(self) -> None:
        """Watches until cancelled."""
        while True:
            before = self._clock()
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
            now = self._clock()
            late = now - before - POLL_INTERVAL_SECONDS
            if late > MIN_STALL_SECONDS:
                self._stalls.append(Stall(now, late))
