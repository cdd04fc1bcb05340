"""Puts the pollers together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.doors.door import OpenDoor
from cli.feeds.alerts.looking import FilesLook, WebLook
from cli.feeds.answers import Hearing, OpenAnswers
from cli.feeds.configuration import AlertOrigin, FeedsFile, Origin
from cli.feeds.deciding import Place
from cli.feeds.delivering import Deliverer
from cli.feeds.fetching import Fetcher, open_fetcher
from cli.feeds.folder import Folder
from cli.feeds.looking import FeedLook
from cli.feeds.polling import Look, Poller
from shared.municipal.configuration import Configuration
from shared.runtime.clock import Clock, system_clock


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What everything here is made of; paths in `file` begin at `base`."""

    file: FeedsFile
    base: Path
    county: Configuration
    folder: Folder
    open_door: OpenDoor
    open_answers: OpenAnswers
    clock: Clock = system_clock

    @asynccontextmanager
    async def pollers(self) -> AsyncIterator[tuple[Poller, ...]]:
        """One for each origin, on one client."""
        async with open_fetcher(self.file.contact, self.file.internal_hosts) as fetcher:
            yield tuple(self._poller(origin, look) for origin, look in self._looks(fetcher))

    @property
    def hearing(self) -> Hearing:
        return Hearing(
            source=self.file.source, system=self.file.system, folder=self.folder, open_answers=self.open_answers
        )

    def _looks(self, fetcher: Fetcher) -> list[tuple[Origin, Look]]:
        place = Place(system=self.file.system, source=self.file.source, county=self.county, now=self.clock())
        feeds = [
            (origin, FeedLook(origin=origin, fetcher=fetcher, place=place, clock=self.clock))
            for origin in self.file.feeds
        ]
        return [*feeds, *((origin, self._alert_look(origin, fetcher, place)) for origin in self.file.alerts)]

    def _alert_look(self, origin: AlertOrigin, fetcher: Fetcher, place: Place) -> Look:
        if origin.files is not None:
            return FilesLook(origin=origin, path=self.base / origin.files, place=place, clock=self.clock)
        return WebLook(origin=origin, address=origin.url or "", fetcher=fetcher, place=place, clock=self.clock)

    def _poller(self, origin: Origin, look: Look) -> Poller:
        return Poller(
            name=origin.name,
            every_seconds=origin.every_seconds,
            look=look,
            folder=self.folder,
            deliverer=Deliverer(origin.name, self.folder, self.open_door),
            clock=self.clock,
        )
