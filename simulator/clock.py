"""The clock shared by limits, message log and webhooks."""

import time
from collections.abc import Callable

Clock = Callable[[], float]


def make_anchored_clock() -> Clock:
    """Return a clock of seconds since 1970 that never jumps: limits stay exact while the system time is corrected."""
    anchor = time.time() - time.monotonic()
    monotonic = time.monotonic
    return lambda: anchor + monotonic()
