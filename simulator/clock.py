"""One clock for limits, account and webhooks."""

import time
from collections.abc import Callable

Clock = Callable[[], float]


def make_anchored_clock() -> Clock:
    """Seconds since 1970 that never jump, so that the limits stay exact while the time is corrected."""
    anchor = time.time() - time.monotonic()
    monotonic = time.monotonic
    return lambda: anchor + monotonic()
