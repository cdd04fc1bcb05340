"""System clocks, read only here; domain code takes `now` as an argument."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the current time, timezone-aware, in UTC."""
    return datetime.now(UTC)


def read_clocks() -> tuple[float, float]:
    """Return the monotonic and the wall clock, in seconds, never the event loop's cached time."""
    return time.monotonic(), time.time()
