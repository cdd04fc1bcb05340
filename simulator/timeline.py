"""Scheduler of later events: statuses caused by citizens' phones, and delayed webhooks."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from simulator.clock import Clock

TICK_INTERVAL_SECONDS = 0.02

Action = Callable[[], None]


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
        """Run until cancelled."""
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
