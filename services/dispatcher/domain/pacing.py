"""When each message of a lease may leave: absolute deadlines, what is too late for them, and what lateness costs."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

LEASE_SECONDS = 0.1
SHARE_OF_LIMIT = 0.995
FREE_SECONDS = 0.003
LATEST_SECONDS = 0.02
BATCH_SECONDS = 0.5
SHORTEST_LEAD_SECONDS = 0.03
LONGEST_LEAD_SECONDS = 0.3
LEAD_MEMORY = 0.8
CLOCK_MEMORY = 64


@dataclass(frozen=True)
class Lease:
    """`slots` moments, `spacing` seconds apart from `start` on (seconds of the local monotonic clock).

    `held` is why the sender is held: then there is one slot in a while, to try, or none before `start`.
    """

    start: float
    spacing: float
    slots: int
    held: str | None = None

    def deadlines(self) -> Iterator[float]:
        return (self.start + number * self.spacing for number in range(self.slots))

    def missed(self, late: float) -> bool:
        """Whether losing the slot costs less than everybody's waiting for one that is used so many seconds late."""
        return late > max(self.spacing, LATEST_SECONDS)


class ServerClock:
    """What the database's clock shows, on the local one.

    Of the last answers the one with the shortest way back counts: so a moment is late by that, and never early.
    """

    def __init__(self) -> None:
        self._differences: deque[float] = deque(maxlen=CLOCK_MEMORY)

    def heard(self, *, read: float, arrived: float) -> None:
        """The server's clock was `read` before the answer `arrived`."""
        self._differences.append(arrived - read)

    def local(self, moment: float) -> float:
        """The local time of a moment of the server."""
        return moment + min(self._differences)


def permitted_rate(limit: float) -> float:
    """Messages per second to plan for under Meta's limit.

    A second and LATE_SECONDS then hold no more than the limit, so single messages may come that much later than
    planned; see `debt` for those that come later still.
    """
    return limit * SHARE_OF_LIMIT


LATE_SECONDS = 1 / SHARE_OF_LIMIT - 1


def debt(late: float) -> float:
    """By how many seconds everybody's next slots have to move because one was used so late.

    The message and those of the second after it would lie too close together. The rest of LATE_SECONDS is for
    what happens on the way to Meta.
    """
    return max(0.0, late - FREE_SECONDS)


def lease_slots(rate: float, available: int) -> int:
    """How many slots to reserve: about 100 ms worth, and no more than there is to send."""
    return max(1, min(math.ceil(rate * LEASE_SECONDS), available))


def batches_in_hand(rate: float, recipients: int) -> int:
    """How many batches of so many recipients to hold: what is sent until the first of them is on record."""
    return max(2, math.ceil(rate * BATCH_SECONDS / recipients))


def claim_lead(lead: float, took: float) -> float:
    """How long before a lease's first slot to claim: half as long again as the last claims took on average.

    Not longer than a "Stop" may take to be heeded, and not so short that a slow one would miss its slot.
    """
    followed = LEAD_MEMORY * lead + (1 - LEAD_MEMORY) * 1.5 * took
    return min(LONGEST_LEAD_SECONDS, max(SHORTEST_LEAD_SECONDS, followed))
