"""Sender of the outbox: repeats each publication unchanged until the notices API accepts or rejects it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from services.newsroom.adapters.notices_api import HttpNoticesApi, NoticesApiAway
from services.newsroom.adapters.publications import PublicationRepository
from services.newsroom.domain.outbox import NoticePublication, PublicationState, compute_next_try
from shared.outcome import DependencyUnavailable
from shared.runtime.background import wait_until_set
from shared.runtime.clock import Clock

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
        """Send each due publication once. Raises DependencyUnavailable."""
        for publication in await self.publications.list_due(self.clock(), MAX_AT_ONCE):
            await self._send(publication)

    async def _send(self, publication: NoticePublication) -> None:
        retry_after = 0.0
        try:
            answer = await self.notices.publish(publication.event)
        except NoticesApiAway as error:
            _log.warning("notices_api_away", error=str(error), publication=str(publication.id))
        else:
            if answer.state is not PublicationState.WAITING:
                await self.publications.record_answer(publication.id, answer, self.clock())
                self.count(answer.state)
                return
            _log.warning("notices_api_refuses", status=answer.status, publication=str(publication.id))
            retry_after = answer.retry_after
        self.count(UNANSWERED)
        now = self.clock()
        await self.publications.record_failure(publication.id, compute_next_try(now, publication.tries, retry_after))
