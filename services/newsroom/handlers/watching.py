"""Live progress: one query a second for all viewers together, whoever watches whatever."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from services.newsroom.domain.progress import BroadcastStatus
from services.newsroom.ports import BroadcastStatuses, SessionRepository
from shared.outcome import DependencyUnavailable

POLL_INTERVAL_SECONDS = 1.0
MAX_VIEWERS = 500

_log = structlog.get_logger()


class TooManyViewers(Exception):
    """Error: so many pages are watched that another one has to reload by itself."""


@dataclass
class BroadcastWatch:
    """Watch over broadcasts for all viewers; a session that has ended ends its streams."""

    statuses: BroadcastStatuses
    sessions: SessionRepository
    _broadcasts: Counter[UUID] = field(default_factory=Counter)
    _viewers: Counter[bytes] = field(default_factory=Counter)
    _known: dict[UUID, BroadcastStatus] = field(default_factory=dict)
    _ended: set[bytes] = field(default_factory=set)
    _needed: asyncio.Event = field(default_factory=asyncio.Event)
    _refreshed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Poll forever, but only while somebody watches."""
        while True:
            await self._needed.wait()
            try:
                await self._refresh()
            except DependencyUnavailable as error:
                _log.warning("dependency_unavailable", error=str(error))
            except Exception:  # a bug must not end the newsroom
                _log.exception("watch_failed")
            await asyncio.sleep(POLL_INTERVAL_SECONDS)

    async def _refresh(self) -> None:
        broadcasts, sessions = [*self._broadcasts], [*self._viewers]
        found = await self.statuses.find_all(broadcasts)
        opened = await self.sessions.filter_open(sessions)
        self._known = {status.id: status for status in found}
        self._ended = set(sessions) - set(opened)
        async with self._refreshed:
            self._refreshed.notify_all()

    async def follow(self, broadcast: UUID, session: bytes) -> AsyncIterator[BroadcastStatus | None]:
        """Yield the status after each poll, None if it has not changed; end with the broadcast or the session.

        Raises TooManyViewers.
        """
        told: BroadcastStatus | None = None
        with self._count_viewer(broadcast, session):
            while True:
                async with self._refreshed:
                    await self._refreshed.wait()
                if session in self._ended:
                    return
                status = self._known.get(broadcast)
                yield status if status != told else None
                told = status
                if status is not None and status.is_final and not status.waiting:
                    return

    @contextmanager
    def _count_viewer(self, broadcast: UUID, session: bytes) -> Iterator[None]:
        if self._viewers.total() >= MAX_VIEWERS:
            raise TooManyViewers
        self._broadcasts[broadcast] += 1
        self._viewers[session] += 1
        self._needed.set()
        try:
            yield
        finally:
            self._broadcasts -= Counter((broadcast,))
            self._viewers -= Counter((session,))
            if not self._viewers:
                self._needed.clear()
