"""What there is to send, lane by lane: claims whose slot was missed, retries that are due, messages."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from services.dispatcher.handlers.batches import BatchLane
from services.dispatcher.handlers.replies import ReplyLane
from services.dispatcher.ports import Claim, LaneQueue, Ledger
from shared.contracts.message import Lane

ORDER = (Lane.REPLY, Lane.URGENT, Lane.BULK)
MANY = 100


class _Source(Protocol):
    @property
    def available(self) -> int: ...

    async def claim(self, slots: int, ready: list[Claim]) -> None: ...


class Lanes:
    """Fills leases from the highest lane that has work. `due` names the lanes with retries to send."""

    def __init__(self, *, ledger: Ledger, queues: Mapping[Lane, LaneQueue]) -> None:
        self._ledger = ledger
        self._sources: Mapping[Lane, _Source] = {
            Lane.REPLY: ReplyLane(ledger=ledger, queue=queues[Lane.REPLY]),
            Lane.URGENT: BatchLane(ledger=ledger, queue=queues[Lane.URGENT]),
            Lane.BULK: BatchLane(ledger=ledger, queue=queues[Lane.BULK]),
        }
        self._carried: Mapping[Lane, deque[Claim]] = {lane: deque() for lane in ORDER}
        self.due: set[Lane] = set()

    def available(self) -> int:
        """About how many deliveries could be sent now; 0 means that there is nothing to do."""
        carried = sum(len(queue) for queue in self._carried.values())
        return carried + MANY * len(self.due) + sum(source.available for source in self._sources.values())

    def carry(self, claims: Iterable[Claim]) -> None:
        """Keep claims that missed their slot for the next lease."""
        for claim in claims:
            self._carried[claim.lane].append(claim)

    def take_carried(self) -> list[Claim]:
        """Take all claims that missed their slot, to give them back."""
        taken = [claim for lane in ORDER for claim in self._carried[lane]]
        for queue in self._carried.values():
            queue.clear()
        return taken

    async def fill(self, slots: int) -> list[Claim]:
        """Claims for up to `slots` slots. Raises DependencyAway; what was claimed by then is carried."""
        ready: list[Claim] = []
        try:
            for lane in ORDER:
                await self._fill_from(lane, slots, ready)
        except BaseException:
            self.carry(ready)
            raise
        return ready

    async def _fill_from(self, lane: Lane, slots: int, ready: list[Claim]) -> None:
        carried = self._carried[lane]
        while carried and len(ready) < slots:
            ready.append(carried.popleft())
        if lane in self.due and len(ready) < slots:
            await self._claim_due(lane, slots, ready)
        if len(ready) < slots:
            await self._sources[lane].claim(slots, ready)

    async def _claim_due(self, lane: Lane, slots: int, ready: list[Claim]) -> None:
        due = await self._ledger.claim_due(lane, slots - len(ready))
        ready += due
        if not due:
            self.due.discard(lane)
