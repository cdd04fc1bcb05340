"""Scheduled broadcasts begin when their time has come."""

import asyncio
from dataclasses import dataclass

from services.subscriptions.domain import announcements
from services.subscriptions.ports import Broadcasts, Outlet
from shared.runtime.clock import Clock

LOOK_EVERY_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """`arrived` is set when there is something new to expand."""

    broadcasts: Broadcasts
    outlet: Outlet
    clock: Clock
    arrived: asyncio.Event

    async def turn(self) -> None:
        """Told first, then begun: a crash in between tells it again with the same id. Raises DependencyAway."""
        for broadcast in await self.broadcasts.due(self.clock()):
            await self.outlet.publish(announcements.started(broadcast))
            await self.broadcasts.begin(broadcast.id)
            self.arrived.set()
