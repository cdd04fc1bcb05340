"""In-memory archive and service level: visitors cause no queries, and see the last known state."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from services.newsroom.adapters.broadcasts import ArchiveEntryReader
from services.newsroom.domain.archive import Archive
from services.newsroom.domain.service_level import PERIODS_DAYS, BroadcastRun, ServiceLevel, compute_service_levels
from shared.runtime.clock import Clock


class ArchiveCache:
    """Entries as of the last refresh; `archive` is replaced, never modified, so that pages built from it can be cached.

    It is None until the first refresh.
    """

    def __init__(self, source: ArchiveEntryReader, clock: Clock, retention: timedelta) -> None:
        self._source = source
        self._clock = clock
        self._retention = retention
        self._digest: int | None = None
        self._refreshed_at: datetime | None = None
        self.archive: Archive | None = None

    async def refresh(self) -> None:
        """Read the entries again if any has changed, and update the states if one has expired.

        Raises DatabaseUnavailable.
        """
        now = self._clock()
        if self.archive and self.archive.changes_at and self.archive.changes_at <= now:
            self.archive = Archive(self.archive.entries, now)  # even while the database is unavailable
        since = now - self._retention
        digest = await self._source.compute_digest(since)
        if digest != self._digest:
            self.archive = Archive(await self._source.read_entries(since), now)
            self._digest = digest
        self._refreshed_at = now

    def measure_age_seconds(self) -> float:
        """Return the age of the state that visitors see; infinity if there is none."""
        if self._refreshed_at is None:
            return float("inf")
        return (self._clock() - self._refreshed_at).total_seconds()


class ServiceLevelCache:
    """Results as of the last refresh; `levels` is None until the first."""

    def __init__(self, list_runs: Callable[[datetime], Awaitable[Sequence[BroadcastRun]]], clock: Clock) -> None:
        self._list_runs = list_runs
        self._clock = clock
        self.levels: tuple[ServiceLevel, ...] | None = None

    async def refresh(self) -> None:
        """Compute the results again. Raises DatabaseUnavailable."""
        now = self._clock()
        runs = await self._list_runs(now - timedelta(days=max(PERIODS_DAYS)))
        self.levels = compute_service_levels(runs, now)
