"""Clock, scheduled actions, and detection of stalls of this process."""

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

Clock = Callable[[], float]
TICK_INTERVAL_SECONDS = 0.02
Action = Callable[[], None]
POLL_INTERVAL_SECONDS = 0.01
MIN_STALL_SECONDS = 0.01
MAX_STALLS = 100_000


def make_anchored_clock() -> Clock:
    """Return a clock of seconds since 1970 that never jumps: limits stay exact while the system time is corrected."""
    anchor = time.time() - time.monotonic()
    monotonic = time.monotonic
    return lambda: anchor + monotonic()


class Timeline:
    """Actions that run when they are due, in order, at most about TICK_INTERVAL_SECONDS late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Action]] = []
        self._serials = itertools.count()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._heap)

    def schedule(self, due: float, action: Action) -> None:
        heapq.heappush(self._heap, (due, next(self._serials), action))
        self._filled.set()

    async def run(self) -> None:
        while True:
            await self._filled.wait()
            self.run_until(self._clock())
            if not self._heap:
                self._filled.clear()
                continue
            await asyncio.sleep(TICK_INTERVAL_SECONDS)

    def run_until(self, now: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= now:
            heapq.heappop(heap)[2]()

    def finish(self) -> None:
        """Run all remaining actions at once, so that a shutdown loses nothing."""
        self.run_until(float("inf"))


class Stall(NamedTuple):
    """A period in which nothing was handled; its end is in seconds since 1970."""

    ended_at: float
    seconds: float


class StallWatch:
    """Detector of stalls by the delay with which it wakes up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.stalls: deque[Stall] = deque(maxlen=MAX_STALLS)

    async def run(self) -> None:
        while True:
            before = self._clock()
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
            now = self._clock()
            late = now - before - POLL_INTERVAL_SECONDS
            if late > MIN_STALL_SECONDS:
                self.stalls.append(Stall(now, late))
