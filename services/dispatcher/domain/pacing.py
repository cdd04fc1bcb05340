"""When each message of a lease may leave: absolute deadlines, and what is too late for them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

LEASE_SECONDS = 0.1
SHARE_OF_LIMIT = 0.95
SPARE_SLOTS = 5.0  # at low limits a twentieth is less than the slots that may be used late
TOLERATED_SLOTS = 2.0
TOLERATED_SECONDS = 0.02
BATCH_SECONDS = 0.5
CLAIM_LEAD_SECONDS = 0.02
LONGEST_LEAD_SECONDS = 0.2
LEAD_MEMORY = 0.8


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

    def missed(self, deadline: float, now: float) -> bool:
        """Whether the slot has passed so long ago that using it would bunch messages together."""
        return now - deadline > max(TOLERATED_SLOTS * self.spacing, TOLERATED_SECONDS)


def permitted_rate(limit: float) -> float:
    """Messages per second to plan for under Meta's limit.

    The rest is the burst: slots that may be used late, and the reservation that may be caught up with. Rate
    and burst together make the limit, so no sliding second holds more.
    """
    return min(limit * SHARE_OF_LIMIT, max(limit - SPARE_SLOTS, limit / 2))


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
    return min(LONGEST_LEAD_SECONDS, max(CLAIM_LEAD_SECONDS, followed))
