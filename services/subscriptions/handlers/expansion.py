"""Broadcasts become batches on a lane, page by page; a full lane makes us wait."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from services.subscriptions.domain.broadcast import PAGE_RECIPIENTS, Broadcast, Page, pages_of
from services.subscriptions.domain.publication import Destination, Publication
from services.subscriptions.ports import Broadcasts, Claim, Outlet
from shared.contracts.dispatch import Recipient
from shared.outcome import DependencyAway
from shared.runtime.clock import Clock

PAGES_AHEAD = 4
LOOK_AGAIN_SECONDS = 0.5
PAUSE_SECONDS = (0.05, 0.1, 0.2, 0.5)

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Expander:
    """Works at one broadcast at a time, at the most urgent one first, and looks again after each few pages.

    `count` gets the number of recipients of each page that the broker has.
    """

    broadcasts: Broadcasts
    outlet: Outlet
    clock: Clock
    arrived: asyncio.Event
    count: Callable[[int], None]

    async def run(self) -> None:
        """For ever; a dependency that is away or a lane that is full makes it wait a little longer each time."""
        pauses = 0
        while True:
            self.arrived.clear()
            try:
                busy = await self.turn()
                pauses = 0
            except DependencyAway as error:
                _log.debug("expansion_waits", reason=str(error))
                await self._wait(PAUSE_SECONDS[min(pauses, len(PAUSE_SECONDS) - 1)])
                pauses += 1
            else:
                await self._wait(0 if busy else LOOK_AGAIN_SECONDS)

    async def _wait(self, seconds: float) -> None:
        """A notice that arrives ends the wait: it may be urgent."""
        try:
            async with asyncio.timeout(seconds):
                await self.arrived.wait()
        except TimeoutError:
            return

    async def turn(self) -> bool:
        """The next few pages of one broadcast; False if there is nothing to do. Raises DependencyAway."""
        async with self.broadcasts.claim() as claim:
            if claim is None:
                return False
            pages = await claim.pages(PAGES_AHEAD * PAGE_RECIPIENTS + 1, self._prepare)
            await self._publish(claim, pages)
            return True

    def _prepare(self, broadcast: Broadcast, recipients: Sequence[Recipient]) -> tuple[Page, ...]:
        ahead = PAGES_AHEAD * PAGE_RECIPIENTS
        more = len(recipients) > ahead
        return pages_of(broadcast, recipients[:ahead], more=more, now=self.clock())

    async def _publish(self, claim: Claim, pages: Sequence[Page]) -> None:
        """What the broker confirmed is recorded even if the lane was full for the rest."""
        results = await asyncio.gather(
            *(self.outlet.publish(_publication(page)) for page in pages), return_exceptions=True
        )
        done = [page for page, result in zip(pages, results, strict=True) if result is None]
        if done:
            await claim.confirmed([page.page for page in done])
            self.count(sum(page.recipients for page in done))
        failures = [result for result in results if result is not None]
        if failures:
            raise failures[0]


def _publication(page: Page) -> Publication:
    return Publication(
        destination=Destination.DISPATCH,
        key=page.lane,
        message_id=str(page.message_id),
        body=page.body,
        required=True,
    )
