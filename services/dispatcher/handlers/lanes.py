"""What there is to send, lane by lane: claims that are ready, retries that are due, messages."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.dispatcher.handlers.batches import BatchLane
from services.dispatcher.handlers.replies import ReplyLane
from services.dispatcher.ports import Claim, LaneMessage, LaneQueue, Ledger
from shared.contracts.envelope import read_envelope
from shared.contracts.message import Lane

ORDER = (Lane.REPLY, Lane.URGENT, Lane.BULK)
MANY = 100
# At once; of more the making would take so long that the slots meanwhile would be used late.
MOST_PREPARED = 16


class _Source(Protocol):
    @property
    def available(self) -> int: ...

    @property
    def first(self) -> LaneMessage | None: ...

    async def claim(self, wanted: int, ready: Callable[[Sequence[Claim]], None]) -> None: ...


class Lanes:
    """Claims what there is to send, the highest lane first, and lets `prepare` see it before it is needed.

    `due` names the lanes with retries to send; `wake` is set when there is something to do again.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        queues: Mapping[Lane, LaneQueue],
        prepare: Callable[[Iterable[Claim]], None],
        wake: asyncio.Event,
    ) -> None:
        self._ledger = ledger
        self._wake = wake
        self._queues = queues
        self._prepare = prepare
        self._sources: Mapping[Lane, _Source] = {
            Lane.REPLY: ReplyLane(ledger=ledger, queue=queues[Lane.REPLY]),
            Lane.URGENT: BatchLane(ledger=ledger, queue=queues[Lane.URGENT]),
            Lane.BULK: BatchLane(ledger=ledger, queue=queues[Lane.BULK]),
        }
        self._ready: Mapping[Lane, deque[Claim]] = {lane: deque() for lane in ORDER}
        self._oldest: dict[Lane, datetime] = {}
        self._closed = False
        self.due: set[Lane] = set()

    def available(self) -> int:
        """About how many deliveries could be sent now; 0 means that there is nothing to do."""
        ready = sum(len(queue) for queue in self._ready.values())
        return ready + MANY * len(self.due) + sum(source.available for source in self._sources.values())

    def open(self) -> None:
        """Let the broker bring messages."""
        self._closed = False
        self._oldest.clear()
        for queue in self._queues.values():
            queue.open()

    def close(self) -> None:
        """Give everything that is not claimed back to the broker, whose patience with us would end."""
        if self._closed:
            return
        self._closed = True
        self._oldest = self._published()
        for queue in self._queues.values():
            queue.close()

    def ages(self, now: datetime) -> Mapping[Lane, float]:
        """Return for how many seconds the first message of each lane has waited to be claimed."""
        oldest = {**self._published(), **self._oldest}
        return {lane: max(0.0, (now - oldest[lane]).total_seconds()) if lane in oldest else 0.0 for lane in ORDER}

    def _published(self) -> dict[Lane, datetime]:
        firsts = {lane: self._sources[lane].first or self._queues[lane].peek() for lane in ORDER}
        return {lane: read_envelope(message.body).time for lane, message in firsts.items() if message}

    def take(self) -> Claim | None:
        """The claim that is first in line."""
        for ready in self._ready.values():
            if ready:
                return ready.popleft()
        return None

    def put_back(self, claim: Claim) -> None:
        """Make it the first of its lane again."""
        self._ready[claim.lane].appendleft(claim)
        self._wake.set()

    def take_all(self) -> list[Claim]:
        """Take all claims that are ready, to give them back."""
        taken = [claim for lane in ORDER for claim in self._ready[lane]]
        for queue in self._ready.values():
            queue.clear()
        return taken

    async def claim_some(self, slots: int) -> bool:
        """Claim for the highest lane that has work and fewer than `slots` ready, with those above it.

        False if there is nothing to be done. Raises DependencyAway.
        """
        missing = slots
        for lane in ORDER:
            missing -= len(self._ready[lane])
            if missing > 0 and (lane in self.due or self._sources[lane].available):
                await self._claim(lane, missing)
                return True
        return False

    async def _claim(self, lane: Lane, wanted: int) -> None:
        def ready(claims: Sequence[Claim]) -> None:
            self._prepare(claims[:MOST_PREPARED])
            self._ready[lane].extend(claims)

        if lane not in self.due:
            await self._sources[lane].claim(wanted, ready)
            return
        due = await self._ledger.claim_due(lane, wanted)
        ready(due)
        if not due:
            self.due.discard(lane)
