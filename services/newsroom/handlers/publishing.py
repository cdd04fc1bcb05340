"""Sender of the outbox: repeats each publication unchanged until the notices API accepts or rejects it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from services.newsroom.adapters.publications import PublicationRepository
from services.newsroom.domain.outbox import NoticePublication, PublicationState, compute_next_try
from shared.outcome import DependencyUnavailable
from shared.runtime.background import wait_until_set
from shared.runtime.clock import Clock
from shared.runtime.notices_api import HttpNoticesApi, NoticesApiUnavailable

POLL_INTERVAL_SECONDS = 1.0
MAX_AT_ONCE = 20
UNANSWERED = "unanswered"

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class PublicationOutbox:
    """Sender of publications; `count` gets the result of each attempt, `needed` wakes it for new publications.

    Several replicas may send the same publication: the notices API is idempotent.
    """

    publications: PublicationRepository
    notices: HttpNoticesApi
    clock: Clock
    count: Callable[[str], None]
    needed: asyncio.Event

    async def run(self) -> None:
        """Send due publications forever."""
        while True:
            self.needed.clear()
            try:
                await self.send_due()
            except DependencyUnavailable as error:
                _log.warning("dependency_unavailable", error=str(error))
            except Exception:  # a bug must not end the newsroom, and the next round may succeed
                _log.exception("outbox_failed")
            await wait_until_set(self.needed, POLL_INTERVAL_SECONDS)

    async def send_due(self) -> None:
        """Send what is due; chosen anew each time, since a withdrawal may have come. Raises DependencyUnavailable."""
        for _ in range(MAX_AT_ONCE):
            due = await self.publications.list_due(self.clock(), 1)
            if not due:
                return
            await self._send(due[0])

    async def _send(self, publication: NoticePublication) -> None:
        try:
            problems = await self.notices.publish(msgspec.json.encode(publication.event))
        except NoticesApiUnavailable as error:
            _log.warning("notices_api_unavailable", error=str(error), publication=str(publication.id))
            self.count(UNANSWERED)
            now = self.clock()
            next_at = compute_next_try(now, publication.tries, error.retry_after)
            await self.publications.record_failure(publication.id, next_at)
            return
        await self.publications.record_answer(publication.id, problems, self.clock())
        self.count(PublicationState.REJECTED if problems else PublicationState.ACCEPTED)
