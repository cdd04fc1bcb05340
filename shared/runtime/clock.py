"""The one place that reads the clocks; everything below takes `now` as an argument."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


class Instant(NamedTuple):
    """One moment on both clocks, in seconds: the steady one stands still while a virtual machine is paused."""

    steady: float
    wall: float

    @classmethod
    def now(cls) -> "Instant":
        return cls(time.monotonic(), time.time())

    def age(self) -> float:
        """Return how many seconds ago that was, by the clock that shows more. Not the event loop's cached time."""
        return max(time.monotonic() - self.steady, time.time() - self.wall)
