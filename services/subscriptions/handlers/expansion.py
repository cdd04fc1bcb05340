"""Start of scheduled broadcasts, and expansion of broadcasts into batches on a lane, page by page."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from services.subscriptions.domain import notice_events
from services.subscriptions.domain.broadcast import MAX_PAGE_RECIPIENTS, Broadcast, BroadcastPage, build_pages
from services.subscriptions.domain.publication import Destination, Publication, PublicationRefused
from services.subscriptions.ports import BroadcastClaim, BroadcastRepository, EventPublisher
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

    `work_available` is set for each new broadcast. `count` gets the number of recipients on pages that the broker
    confirmed. `pages_ahead` pages are read at a time; up to `rounds` times in a turn, the next pages are read while the
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

        Publish, then begin: after a crash in between, the same id is published again. A broadcast that cannot begin,
        for example because a frozen replica holds its lock, does not delay the others. Raises DependencyUnavailable
        after all of them.
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

    async def publish_cancellations(self) -> None:
        """Publish that operators have cancelled broadcasts: the ledger may never hear of them. Repeated after a crash.

        Raises DependencyUnavailable.
        """
        for cancelled in await self.broadcasts.list_cancelled():
            await self.publisher.publish(notice_events.build_broadcast_cancelled(cancelled, self.clock()))
            await self.broadcasts.mark_cancellation_published(cancelled.broadcast)

    async def run(self) -> None:
        """Expand forever; wait a little longer each time while a dependency is unavailable or a lane is full.

        In a row of failures, the first one that is not just a full lane is logged as a warning.
        """
        failures, warned = 0, False
        while True:
            self.work_available.clear()
            try:
                is_busy = await self.expand_next()
                failures, warned = 0, False
            except DependencyUnavailable as error:
                warns = not warned and not isinstance(error, PublicationRefused)
                (_log.warning if warns else _log.debug)("expansion_waits", reason=str(error))
                warned = warned or warns
                delay = RETRY_DELAYS_SECONDS[min(failures, len(RETRY_DELAYS_SECONDS) - 1)]
                failures += 1
            except Exception:  # a bug is logged, and an operator may cancel the affected broadcast
                _log.exception("expansion_failed")
                delay = BUG_DELAY_SECONDS
            else:
                delay = 0 if is_busy else POLL_INTERVAL_SECONDS
            await wait_until_set(self.work_available, delay)  # a new notice may be urgent

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
        """Publish pages and meanwhile read the next ones: publishing does not need the database."""
        results, next_pages = await asyncio.gather(
            self._send(pages), claim.prepare_next_pages(self.pages_ahead, self._build_pages), return_exceptions=True
        )
        await self._record_results(claim, pages, results)
        if isinstance(next_pages, BaseException):
            raise next_pages
        return next_pages

    def _build_pages(self, broadcast: Broadcast, recipients: Sequence[Recipient]) -> tuple[BroadcastPage, ...]:
        limit = self.pages_ahead * MAX_PAGE_RECIPIENTS
        return build_pages(broadcast, recipients[:limit], more=len(recipients) > limit, now=self.clock())

    async def _send(self, pages: Sequence[BroadcastPage]) -> list[BaseException | None]:
        return await asyncio.gather(
            *(self.publisher.publish(_build_publication(page)) for page in pages), return_exceptions=True
        )

    async def _record_results(
        self, claim: BroadcastClaim, pages: Sequence[BroadcastPage], results: list[BaseException | None] | BaseException
    ) -> None:
        """Record the confirmed pages, even if others failed; then raise the first failure."""
        if isinstance(results, BaseException):
            raise results
        confirmed = [page for page, result in zip(pages, results, strict=True) if result is None]
        if confirmed:
            await claim.mark_published([page.page for page in confirmed])
            self.count(sum(page.recipients for page in confirmed))
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
