"""Pacing: the deadline of each slot of a lease, the limits for late use, and the figures derived from them."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

LEASE_SECONDS = 0.1
# Maximum age of a claim when its message is written: a "Stop" may have been committed since.
MAX_CLAIM_SECONDS = 1.0
MAX_SPARE_SECONDS = 0.7 * MAX_CLAIM_SECONDS
PROBE_DELAY_SECONDS = 30.0  # from a pause by Meta to its first probe
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
    """`slots` send times, `spacing` seconds apart, from `start` (seconds of the local monotonic clock).

    `start` is `shift` seconds later than `planned`, which is on the server's clock. `paused_reason` is set while
    sending is paused: then there is one slot for a probe, or none before `start`.
    """

    start: float
    spacing: float
    slots: int
    planned: float = 0.0
    shift: float = 0.0
    paused_reason: str | None = None

    @property
    def is_paused(self) -> bool:
        """Return whether sending was paused at the reservation; an operator's reason may be empty."""
        return self.paused_reason is not None

    @property
    def opens_at(self) -> float:
        """Return the start without the shift: the next lease is reserved relative to the plan, which is not shifted."""
        return self.start - self.shift

    def iterate_deadlines(self) -> Iterator[float]:
        return (self.start + number * self.spacing for number in range(self.slots))

    def build_late_use(self, late: float) -> "LateUse | None":
        """Return the report for all replicas if a slot was used `late` seconds after its deadline, else None."""
        use = LateUse(start=self.planned, end=self.planned + self.slots * self.spacing, late=self.shift + late)
        return use if use.late > SLOT_TOLERANCE_SECONDS else None


@dataclass(frozen=True)
class LateUse:
    """Late use of a slot planned between `start` and `end` (server's clock), `late` seconds after its plan."""

    start: float
    end: float
    late: float


class ServerClock:
    """Conversion between the database's clock and the local one.

    The recent answer with the shortest return time counts; a converted moment is late by that time, never early.
    """

    def __init__(self) -> None:
        self._differences: deque[float] = deque(maxlen=CLOCK_SAMPLES)

    def observe(self, *, server_time: float, received_at: float) -> None:
        """Add a sample: the server's clock showed `server_time` before the answer arrived at `received_at`."""
        self._differences.append(received_at - server_time)

    def convert_to_local(self, moment: float) -> float:
        return moment + min(self._differences)

    def convert_to_server(self, moment: float) -> float:
        return moment - min(self._differences)


def compute_permitted_rate(limit: float) -> float:
    """Return the messages per second to plan for under Meta's limit.

    Any 1 s + MAX_LATENESS_SECONDS then contains no more messages than the limit, so some may be that late; see
    `dispatcher.shift` for later ones. Below LOW_LIMIT the slots of a second are reserved before those of the previous
    second are used, so the rate always allows for MAX_SLOT_DELAY_SECONDS.
    """
    return limit * (SHARE_OF_LIMIT if limit >= LOW_LIMIT else SHARE_OF_LOW_LIMIT)


MAX_LATENESS_SECONDS = 1 / SHARE_OF_LIMIT - 1


def compute_lease_slots(rate: float, available: int) -> int:
    """Return the number of slots to reserve: 100 ms worth at most, and no more than are available."""
    return max(1, min(math.floor(rate * LEASE_SECONDS), available))


def compute_prefetched_batches(rate: float, recipients: int) -> int:
    """Return how many batches of `recipients` to prefetch: enough to last until the broker delivers more."""
    return max(2, math.ceil(rate * BATCH_PREFETCH_SECONDS / recipients))


def compute_prefetch_seconds(previous: float, claim_seconds: float) -> float:
    """Return how long before a lease's first slot to claim: 1.5 times the duration of the slowest recent claim.

    The maximum limits the delay of a "Stop"; the minimum keeps a slow claim from missing its slot.
    """
    return min(MAX_PREFETCH_SECONDS, max(MIN_PREFETCH_SECONDS, 1.5 * claim_seconds, PREFETCH_DECAY * previous))
