"""Start of scheduled broadcasts."""

import asyncio
from dataclasses import dataclass
from functools import partial

from services.subscriptions.domain import notice_events
from services.subscriptions.ports import BroadcastRepository, EventPublisher
from shared.runtime.clock import Clock

SCHEDULE_INTERVAL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Scheduler:
    """Starter of scheduled broadcasts. `work_available` is set when there is something new to expand."""

    broadcasts: BroadcastRepository
    publisher: EventPublisher
    clock: Clock
    work_available: asyncio.Event

    async def start_due(self) -> None:
        """Publish, then begin: after a crash in between the same id is sent again. Raises DependencyUnavailable."""
        for broadcast in await self.broadcasts.list_due(self.clock()):
            started = notice_events.build_broadcast_started(broadcast)
            await self.broadcasts.start_expansion(broadcast, partial(self.publisher.publish, started))
            self.work_available.set()
