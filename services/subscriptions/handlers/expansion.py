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

PAGES_AHEAD = 10
ROUNDS = 8
LOOK_AGAIN_SECONDS = 0.5
PAUSE_SECONDS = (0.05, 0.1, 0.2, 0.5)

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Expander:
    """Works at one broadcast at a time, at the most urgent one first, and looks again after each few pages.

    `count` gets the number of recipients of each page that the broker has; `pages_ahead` are read at a time, and
    `rounds` times in a turn the next ones while the last ones are published.
    """

    broadcasts: Broadcasts
    outlet: Outlet
    clock: Clock
    arrived: asyncio.Event
    count: Callable[[int], None]
    pages_ahead: int = PAGES_AHEAD
    rounds: int = ROUNDS

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
        """The next pages of one broadcast; False if there is nothing to do. Raises DependencyAway."""
        async with self.broadcasts.claim() as claim:
            if claim is None:
                return False
            pages = await claim.pages(self._size, self._prepare)
            for _ in range(self.rounds):
                if pages:
                    pages = await self._round(claim, pages)
            if pages:
                await self._publish(claim, pages)
            return True

    async def _round(self, claim: Claim, pages: Sequence[Page]) -> tuple[Page, ...]:
        """Publish, and read the next ones meanwhile; nothing of the database is needed for the one."""
        published, following = await asyncio.gather(
            self._send(pages), claim.ahead(self._size, self._prepare), return_exceptions=True
        )
        await self._settle(claim, pages, published)
        if isinstance(following, BaseException):
            raise following
        return following

    @property
    def _size(self) -> int:
        """One more than is used tells whether there is more."""
        return self.pages_ahead * PAGE_RECIPIENTS + 1

    def _prepare(self, broadcast: Broadcast, recipients: Sequence[Recipient]) -> tuple[Page, ...]:
        ahead = self._size - 1
        return pages_of(broadcast, recipients[:ahead], more=len(recipients) > ahead, now=self.clock())

    async def _publish(self, claim: Claim, pages: Sequence[Page]) -> None:
        await self._settle(claim, pages, await self._send(pages))

    async def _send(self, pages: Sequence[Page]) -> list[BaseException | None]:
        return await asyncio.gather(
            *(self.outlet.publish(_publication(page)) for page in pages), return_exceptions=True
        )

    async def _settle(
        self, claim: Claim, pages: Sequence[Page], results: list[BaseException | None] | BaseException
    ) -> None:
        """What the broker confirmed is recorded even if the lane was full for the rest."""
        if isinstance(results, BaseException):
            raise results
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
