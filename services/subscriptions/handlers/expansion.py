"""Start of scheduled broadcasts, and expansion of broadcasts into batches on a lane, page by page."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from services.subscriptions.domain import notice_events
from services.subscriptions.domain.broadcast import MAX_PAGE_RECIPIENTS, Broadcast, BroadcastPage, build_pages
from services.subscriptions.domain.publication import Destination, Publication
from services.subscriptions.ports import BroadcastClaim, BroadcastRepository, EventPublisher, PublicationRefused
from shared.contracts.dispatch import Recipient
from shared.outcome import DependencyUnavailable
from shared.runtime.background import wait_until_set
from shared.runtime.clock import Clock

SCHEDULE_INTERVAL_SECONDS = 0.5
PAGES_AHEAD = 10
ROUNDS = 8
POLL_INTERVAL_SECONDS = 0.5
RETRY_DELAYS_SECONDS = (0.05, 0.1, 0.2, 0.5)
BUG_DELAY_SECONDS = 5.0

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class BroadcastExpander:
    """Worker that expands one broadcast at a time, the most urgent first, and chooses again after a few pages.

    `work_available` is set when there is something new. `count` gets the number of recipients in pages that the broker
    confirmed. `pages_ahead` pages are read at a time; up to `rounds` times in a turn the next pages are read while the
    previous ones are published.
    """

    broadcasts: BroadcastRepository
    publisher: EventPublisher
    clock: Clock
    work_available: asyncio.Event
    count: Callable[[int], None]
    pages_ahead: int = PAGES_AHEAD
    rounds: int = ROUNDS

    async def start_due(self) -> None:
        """Start the scheduled broadcasts that are due.

        Publish, then begin: after a crash in between the same id is sent again.

        One that cannot begin, for example because a frozen replica holds its lock, does not hold back the others.
        Raises DependencyUnavailable at the end.
        """
        failures = []
        for broadcast in await self.broadcasts.list_due(self.clock()):
            started = notice_events.build_broadcast_started(broadcast)
            try:
                await self.broadcasts.start_expansion(broadcast, partial(self.publisher.publish, started))
            except DependencyUnavailable as error:
                failures.append(error)
            else:
                self.work_available.set()
        if failures:
            raise failures[0]

    async def run(self) -> None:
        """Expand for ever; wait a little longer each time while a dependency is unavailable or a lane is full.

        The first failure in a row that is more than a full lane is a warning.
        """
        pauses, warned = 0, False
        while True:
            self.work_available.clear()
            try:
                busy = await self.expand_next()
                pauses, warned = 0, False
            except DependencyUnavailable as error:
                worth_a_warning = not warned and not isinstance(error, PublicationRefused)
                (_log.warning if worth_a_warning else _log.debug)("expansion_waits", reason=str(error))
                warned = warned or worth_a_warning
                pause = RETRY_DELAYS_SECONDS[min(pauses, len(RETRY_DELAYS_SECONDS) - 1)]
                pauses += 1
            except Exception:  # a bug is logged, and an operator may cancel the broadcast that it hits
                _log.exception("expansion_failed")
                pause = BUG_DELAY_SECONDS
            else:
                pause = 0 if busy else POLL_INTERVAL_SECONDS
            await wait_until_set(self.work_available, pause)  # a new notice may be urgent

    async def expand_next(self) -> bool:
        """Publish the next pages of one broadcast. Return False if there is no work. Raises DependencyUnavailable."""
        async with self.broadcasts.claim() as claim:
            if claim is None:
                return False
            pages = await claim.fetch_pages(self.pages_ahead, self._build_pages)
            for _ in range(self.rounds):
                if pages:
                    pages = await self._publish_and_prefetch(claim, pages)
            await self._record_results(claim, pages, await self._send(pages))
            return True

    async def _publish_and_prefetch(
        self, claim: BroadcastClaim, pages: Sequence[BroadcastPage]
    ) -> tuple[BroadcastPage, ...]:
        """Publish pages and read the next ones meanwhile: publishing does not need the database."""
        published, following = await asyncio.gather(
            self._send(pages), claim.prepare_next_pages(self.pages_ahead, self._build_pages), return_exceptions=True
        )
        await self._record_results(claim, pages, published)
        if isinstance(following, BaseException):
            raise following
        return following

    def _build_pages(self, broadcast: Broadcast, recipients: Sequence[Recipient]) -> tuple[BroadcastPage, ...]:
        ahead = self.pages_ahead * MAX_PAGE_RECIPIENTS
        return build_pages(broadcast, recipients[:ahead], more=len(recipients) > ahead, now=self.clock())

    async def _send(self, pages: Sequence[BroadcastPage]) -> list[BaseException | None]:
        return await asyncio.gather(
            *(self.publisher.publish(_build_publication(page)) for page in pages), return_exceptions=True
        )

    async def _record_results(
        self, claim: BroadcastClaim, pages: Sequence[BroadcastPage], results: list[BaseException | None] | BaseException
    ) -> None:
        """Record confirmed pages, even if the lane was full for the others; then raise the first failure."""
        if isinstance(results, BaseException):
            raise results
        done = [page for page, result in zip(pages, results, strict=True) if result is None]
        if done:
            await claim.mark_published([page.page for page in done])
            self.count(sum(page.recipients for page in done))
        failures = [result for result in results if result is not None]
        if failures:
            raise failures[0]


def _build_publication(page: BroadcastPage) -> Publication:
    return Publication(
        destination=Destination.DISPATCH,
        key=page.lane,
        message_id=str(page.message_id),
        body=page.body,
        required=True,
    )
