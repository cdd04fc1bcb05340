"""Live progress: one query a second for all viewers together, whoever watches whatever."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.ports import BroadcastStatuses

MAX_VIEWERS = 500


@dataclass
class BroadcastWatch:
    """Watch over broadcasts; run `refresh` repeatedly. `closing` is set when the process ends."""

    statuses: BroadcastStatuses
    closing: bool = field(default=False, init=False)
    _viewers: Counter[UUID] = field(default_factory=Counter, init=False)
    _known: dict[UUID, BroadcastStatus] = field(default_factory=dict, init=False)
    _refreshed: asyncio.Condition = field(default_factory=asyncio.Condition, init=False)

    @property
    def is_full(self) -> bool:
        return self._viewers.total() >= MAX_VIEWERS

    @contextmanager
    def follow(self, broadcast: UUID) -> Iterator[None]:
        """Count the viewer inside the block; what nobody follows is not asked for."""
        self._viewers[broadcast] += 1
        try:
            yield
        finally:
            self._viewers[broadcast] -= 1
            if not self._viewers[broadcast]:
                del self._viewers[broadcast]
                self._known.pop(broadcast, None)

    async def refresh(self) -> None:
        """Read all that is followed, and tell the viewers. Raises DatabaseUnavailable."""
        if self._viewers:
            found = await self.statuses.find_all([*self._viewers])
            self._known = {status.id: status for status in found}
            await self._notify()

    async def close(self) -> None:
        """Tell the viewers to go to another process."""
        self.closing = True
        await self._notify()

    async def _notify(self) -> None:
        async with self._refreshed:
            self._refreshed.notify_all()

    async def wait_for_change(
        self, broadcast: UUID, told: BroadcastStatus | None, seconds: float
    ) -> BroadcastStatus | None:
        """Return the status as soon as it differs from what was told; None after `seconds`, or when closing."""

        def has_changed() -> bool:
            return self.closing or self._known.get(broadcast) not in (None, told)

        try:
            async with asyncio.timeout(seconds), self._refreshed:
                await self._refreshed.wait_for(has_changed)
        except TimeoutError:
            return None
        return None if self.closing else self._known.get(broadcast)
