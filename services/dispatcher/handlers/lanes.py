"""Sources of deliveries, by lane: prepared claims, due retries, messages."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.dispatcher.handlers.batches import BatchLane
from services.dispatcher.handlers.replies import ReplyLane
from services.dispatcher.ports import Claim, LaneQueue, Ledger
from shared.contracts.envelope import read_envelope
from shared.contracts.message import Lane

LANE_ORDER = (Lane.REPLY, Lane.URGENT, Lane.BULK)
DUE_ESTIMATE = 100
# Requests prepared at once; preparing more would take so long that slots in the meantime would be used late.
MOST_PREPARED = 16


@dataclass(kw_only=True)
class Lanes:
    """Claims of all lanes, the highest lane first; `prepare` gets claims before they are sent.

    `due` contains the lanes with due retries; `wake` is set when there may be work again.
    """

    ledger: Ledger
    queues: Mapping[Lane, LaneQueue]
    prepare: Callable[[Iterable[Claim]], None]
    wake: asyncio.Event
    due: set[Lane] = field(default_factory=set, init=False)
    _oldest: dict[Lane, datetime] = field(default_factory=dict, init=False)
    _closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._ready: Mapping[Lane, deque[Claim]] = {lane: deque() for lane in LANE_ORDER}
        self._sources: Mapping[Lane, ReplyLane | BatchLane] = {
            Lane.REPLY: ReplyLane(ledger=self.ledger, queue=self.queues[Lane.REPLY]),
            Lane.URGENT: BatchLane(ledger=self.ledger, queue=self.queues[Lane.URGENT]),
            Lane.BULK: BatchLane(ledger=self.ledger, queue=self.queues[Lane.BULK]),
        }

    def estimate_available(self) -> int:
        """Return an estimate of the deliveries that could be sent now; 0 means that there are none."""
        ready = sum(len(queue) for queue in self._ready.values())
        return ready + DUE_ESTIMATE * len(self.due) + sum(source.available for source in self._sources.values())

    def open(self) -> None:
        """Start consuming from the broker."""
        self._closed = False
        self._oldest.clear()
        for queue in self.queues.values():
            queue.open()

    def close(self) -> None:
        """Return all unclaimed messages to the broker, before its acknowledgement timeout expires."""
        if self._closed:
            return
        self._closed = True
        self._oldest = self._read_publication_times()
        for queue in self.queues.values():
            queue.close()

    def measure_waiting_seconds(self, now: datetime) -> Mapping[Lane, float]:
        """Return the seconds that the first message of each lane has waited to be claimed."""
        oldest = {**self._read_publication_times(), **self._oldest}
        return {lane: max(0.0, (now - oldest[lane]).total_seconds()) if lane in oldest else 0.0 for lane in LANE_ORDER}

    def _read_publication_times(self) -> dict[Lane, datetime]:
        firsts = {lane: self._sources[lane].first or self.queues[lane].peek() for lane in LANE_ORDER}
        return {lane: read_envelope(message.body).time for lane, message in firsts.items() if message}

    def has_claims(self) -> bool:
        return any(self._ready.values())

    def take(self) -> Claim | None:
        """Remove and return the first claim of the highest lane that has one."""
        for ready in self._ready.values():
            if ready:
                return ready.popleft()
        return None

    def put_back(self, claim: Claim) -> None:
        """Put a claim back as the first of its lane."""
        self._ready[claim.lane].appendleft(claim)
        self.wake.set()

    def take_all(self) -> list[Claim]:
        """Remove and return all prepared claims."""
        taken = [claim for lane in LANE_ORDER for claim in self._ready[lane]]
        for queue in self._ready.values():
            queue.clear()
        return taken

    async def claim_some(self, slots: int) -> bool:
        """Claim for the highest lane that has work and, together with the lanes above it, fewer than `slots` claims.

        Return False if there is no work. Raises DependencyUnavailable.
        """
        missing = slots
        for lane in LANE_ORDER:
            missing -= len(self._ready[lane])
            if missing > 0 and (lane in self.due or self._sources[lane].available):
                await self._claim(lane, missing)
                return True
        return False

    async def _claim(self, lane: Lane, wanted: int) -> None:
        def ready(claims: Sequence[Claim]) -> None:
            self.prepare(claims[:MOST_PREPARED])
            self._ready[lane].extend(claims)

        if lane not in self.due:
            await self._sources[lane].claim(wanted, ready)
            return
        due = await self.ledger.claim_due(lane, wanted)
        ready(due)
        if not due:
            self.due.discard(lane)
