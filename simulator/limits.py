"""Meta's two sending limits: messages per second of a number, and messages to one person."""

from collections import deque

from msgspec import Struct

WINDOW_SECONDS = 1.0
PAIR_INTERVAL_SECONDS = 6.0
MAX_PAIR_BURST = 45


class SlidingWindow:
    """Exact count of events in the last second, and its peak."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque()
        self.peak = 0

    def count(self, now: float) -> int:
        """Count the events in the second that ends at `now`; an event exactly one second old is outside."""
        moments = self._moments
        while moments and now - moments[0] >= WINDOW_SECONDS:
            moments.popleft()
        return len(moments)

    def add(self, now: float) -> None:
        count = self.count(now) + 1
        self._moments.append(now)
        if count > self.peak:
            self.peak = count


class Burst(Struct, frozen=True, gc=False):
    """Messages to one person that began together."""

    started: float
    size: int


def extend_burst(burst: Burst | None, now: float, interval: float = PAIR_INTERVAL_SECONDS) -> Burst | None:
    """Return the burst after one more message at `now`, or None if the person may not get one yet.

    Each message uses up `interval` seconds of the person's quota. Up to 45 messages within that time borrow from the
    future quota; the next has to wait until all are repaid.
    """
    if burst is None or now >= burst.started + burst.size * interval:
        return Burst(now, 1)
    if now - burst.started < interval and burst.size < MAX_PAIR_BURST:
        return Burst(burst.started, burst.size + 1)
    return None
