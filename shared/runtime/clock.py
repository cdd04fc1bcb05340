"""System clocks, read only here; domain code takes `now` as an argument."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the current time, timezone-aware, in UTC."""
    return datetime.now(UTC)


class Instant(NamedTuple):
    """Moment on both clocks, in seconds; the monotonic one stops while a virtual machine is paused."""

    steady: float
    wall: float

    @classmethod
    def now(cls) -> "Instant":
        return cls(time.monotonic(), time.time())

    def age(self) -> float:
        """Return the age in seconds by the clock that shows more, never by the event loop's cached time."""
        return max(time.monotonic() - self.steady, time.time() - self.wall)
