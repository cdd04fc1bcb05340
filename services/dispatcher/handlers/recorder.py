"""Results are committed in groups; a message from a lane is settled when all that came of it is on record."""

import asyncio
from collections.abc import Sequence

from services.dispatcher.domain.answers import Record
from services.dispatcher.ports import Ledger, Origin
from shared.outcome import DependencyAway, Done

GROUP_SECONDS = 0.05
GROUP_SIZE = 500
AWAY_SECONDS = 0.5


class Recorder:
    """Takes results and writes them down, at most GROUP_SECONDS later while the database is there.

    `unrecorded` is how many are not on record yet.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._results: asyncio.Queue[tuple[Record, Origin | None]] = asyncio.Queue()
        self.unrecorded = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, record: Record, origin: Origin | None) -> None:
        """Take one result; it counts as unrecorded until its group is committed."""
        self.unrecorded += 1
        self._idle.clear()
        self._results.put_nowait((record, origin))

    async def flushed(self) -> None:
        """Wait until everything added so far is on record."""
        await self._idle.wait()

    async def run(self) -> None:
        """Commit group after group, for ever."""
        while True:
            group = [await self._results.get()]
            await asyncio.sleep(GROUP_SECONDS)
            while not self._results.empty() and len(group) < GROUP_SIZE:
                group.append(self._results.get_nowait())
            await self._commit([record for record, _ in group])
            await self._settle([origin for _, origin in group if origin])
            self._count_down(len(group))

    async def _commit(self, records: Sequence[Record]) -> None:
        # What Meta said must not be lost because our database is away: keep it and try again.
        while True:
            try:
                return await self._ledger.record(records)
            except DependencyAway:
                await asyncio.sleep(AWAY_SECONDS)

    async def _settle(self, origins: Sequence[Origin]) -> None:
        for origin in origins:
            origin.open -= 1
            if origin.complete:
                await origin.message.settle(Done())

    def _count_down(self, recorded: int) -> None:
        self.unrecorded -= recorded
        if not self.unrecorded:
            self._idle.set()
