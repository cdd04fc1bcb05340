"""The service level in memory: visitors of its page cost the database nothing."""

from datetime import timedelta

from services.newsroom.domain.service_level import PERIODS_DAYS, ServiceLevel, compute_service_levels
from services.newsroom.ports.listening import BroadcastRunSource
from shared.runtime.clock import Clock


class ServiceLevelCache:
    """Results as of the last refresh; `levels` is None until the first, and replaced only by other ones."""

    def __init__(self, source: BroadcastRunSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self.levels: tuple[ServiceLevel, ...] | None = None

    async def refresh(self) -> None:
        """Compute the results again. Raises DatabaseUnavailable."""
        now = self._clock()
        runs = await self._source.list_runs(now - timedelta(days=max(PERIODS_DAYS)))
        levels = compute_service_levels(runs, now)
        if levels != self.levels:
            self.levels = levels
