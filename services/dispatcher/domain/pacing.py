"""When each message of a lease may leave: absolute deadlines, what is too late for them, and what follows from it."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

LEASE_SECONDS = 0.1
# The oldest a claim may be when its message is written: a "Stop" may have been committed since.
MAX_CLAIM_SECONDS = 1.0
SHARE_OF_LIMIT = 0.995
LOW_LIMIT = 20
SHARE_OF_LOW_LIMIT = 0.94
SLOT_TOLERANCE_SECONDS = 0.003
MAX_SLOT_DELAY_SECONDS = 0.05
BATCH_PREFETCH_SECONDS = 0.5
MIN_PREFETCH_SECONDS = 0.03
MAX_PREFETCH_SECONDS = 0.3
PREFETCH_DECAY = 0.98
CLOCK_SAMPLES = 64


@dataclass(frozen=True)
class Lease:
    """`slots` moments, `spacing` seconds apart from `start` on (seconds of the local monotonic clock).

    That is `shift` seconds later than `planned`, which is on the server's clock. `held` is why the sender is held:
    then there is one slot in a while, to try, or none before `start`.
    """

    start: float
    spacing: float
    slots: int
    planned: float = 0.0
    shift: float = 0.0
    paused_reason: str | None = None

    @property
    def opens(self) -> float:
        """When it would begin without the shift: the next one is reserved by the plan, which stays."""
        return self.start - self.shift

    def iterate_deadlines(self) -> Iterator[float]:
        return (self.start + number * self.spacing for number in range(self.slots))

    def is_missed(self, late: float) -> bool:
        """Whether so many seconds after its moment a slot is not used any more."""
        return late > MAX_SLOT_DELAY_SECONDS

    def build_late_use(self, late: float) -> "LateUse | None":
        """What to tell everybody if one slot was used so many seconds after its moment."""
        use = LateUse(starts=self.planned, ends=self.planned + self.slots * self.spacing, late=self.shift + late)
        return use if use.late > SLOT_TOLERANCE_SECONDS else None


@dataclass(frozen=True)
class LateUse:
    """Of the slots planned from `starts` to `ends` (the server's clock) one was used `late` seconds after its plan."""

    starts: float
    ends: float
    late: float


class ServerClock:
    """What the database's clock shows, on the local one.

    Of the last answers the one with the shortest way back counts: so a moment is late by that, and never early.
    """

    def __init__(self) -> None:
        self._differences: deque[float] = deque(maxlen=CLOCK_SAMPLES)

    def observe(self, *, read: float, arrived: float) -> None:
        """The server's clock was `read` before the answer `arrived`."""
        self._differences.append(arrived - read)

    def convert_to_local(self, moment: float) -> float:
        """The local time of a moment of the server."""
        return moment + min(self._differences)


def compute_permitted_rate(limit: float) -> float:
    """Messages per second to plan for under Meta's limit.

    A second and LATE_SECONDS then hold no more than the limit, so single messages may come that much later than
    planned; see `dispatcher.shift` for those that come later still. Below LOW_LIMIT the slots of a second are reserved
    before those of the last one are used, so there is room for MAX_SLOT_DELAY_SECONDS from the start.
    """
    return limit * (SHARE_OF_LIMIT if limit >= LOW_LIMIT else SHARE_OF_LOW_LIMIT)


MAX_LATENESS_SECONDS = 1 / SHARE_OF_LIMIT - 1


def compute_lease_slots(rate: float, available: int) -> int:
    """How many slots to reserve: 100 ms worth at the most, and no more than there is to send."""
    return max(1, min(math.floor(rate * LEASE_SECONDS), available))


def compute_prefetched_batches(rate: float, recipients: int) -> int:
    """Return how many batches of so many recipients to prefetch: what is claimed until the broker brings more."""
    return max(2, math.ceil(rate * BATCH_PREFETCH_SECONDS / recipients))


def compute_prefetch_seconds(previous: float, took: float) -> float:
    """How long before a lease's first slot to claim: half as long again as the slowest of the last claims took.

    Not longer than a "Stop" may take to be heeded, and not so short that a slow one would miss its slot.
    """
    followed = max(1.5 * took, PREFETCH_DECAY * previous)
    return min(MAX_PREFETCH_SECONDS, max(MIN_PREFETCH_SECONDS, followed))
