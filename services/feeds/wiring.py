"""Composition root of the feeds service."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from services.feeds.configuration import AlertOrigin, FeedOrigin, FeedsFile, read_files
from services.feeds.decisions import PublisherIdentity
from services.feeds.fetching import MAX_RETRY_AFTER_SECONDS, Fetcher, open_fetcher
from services.feeds.folder import StateFolder
from services.feeds.polling import Poller, PollSource
from services.feeds.publisher import FeedPublisher
from services.feeds.settings import Settings
from services.feeds.sources import AlertFileSource, AlertWebSource, FeedSource
from shared.notices.configuration import Configuration
from shared.runtime.clock import Clock, system_clock
from shared.runtime.notices_api import HttpNoticesApi, open_notices_api

MAX_ALERT_WAIT_SECONDS = 600.0  # shorter than a website may ask for, as warnings are urgent
OpenNotices = Callable[[], AbstractAsyncContextManager[HttpNoticesApi]]


@dataclass(frozen=True, kw_only=True)
class FeedComponents:
    """Components of the service; paths in `file` are relative to `base_folder`."""

    file: FeedsFile
    base_folder: Path
    county: Configuration
    folder: StateFolder
    open_notices: OpenNotices = field(repr=False)  # with the token
    clock: Clock = system_clock

    @asynccontextmanager
    async def open_publisher(self) -> AsyncIterator[FeedPublisher]:
        """Open a client of the notices API without sending a request."""
        async with self.open_notices() as notices:
            yield FeedPublisher(notices=notices, folder=self.folder)

    @asynccontextmanager
    async def open_pollers(self, publisher: FeedPublisher) -> AsyncIterator[tuple[Poller, ...]]:
        """Open one poller per origin, all on one HTTP client."""
        async with open_fetcher(self.file.contact, self.file.internal_hosts) as fetcher:
            yield tuple(self._build_poller(origin, fetcher, publisher) for origin in self.file.origins)

    def identify(self) -> PublisherIdentity:
        return PublisherIdentity(system=self.file.system, source=self.file.source, county=self.county, now=self.clock())

    def _build_poller(self, origin: FeedOrigin | AlertOrigin, fetcher: Fetcher, publisher: FeedPublisher) -> Poller:
        return Poller(
            name=origin.name,
            interval_seconds=origin.interval_seconds,
            source=self._build_source(origin, fetcher),
            folder=self.folder,
            publisher=publisher,
            clock=self.clock,
            max_wait_seconds=MAX_ALERT_WAIT_SECONDS if isinstance(origin, AlertOrigin) else MAX_RETRY_AFTER_SECONDS,
        )

    def _build_source(self, origin: FeedOrigin | AlertOrigin, fetcher: Fetcher) -> PollSource:
        identify, find_status = self.identify, self.folder.find_status
        if isinstance(origin, FeedOrigin):
            return FeedSource(origin=origin, fetcher=fetcher, identify=identify, folder=self.folder)
        if origin.files is not None:
            path = self.base_folder / origin.files
            return AlertFileSource(origin=origin, path=path, identify=identify, find_status=find_status)
        return AlertWebSource(
            origin=origin, address=origin.url or "", fetcher=fetcher, identify=identify, find_status=find_status
        )


def build_components(settings: Settings) -> FeedComponents:
    """Read the files and build the components, without opening connections. Raises ConfigurationError."""
    file, county = read_files(settings.feeds_file, settings.county_file)
    return FeedComponents(
        file=file,
        base_folder=settings.feeds_file.parent,
        county=county,
        folder=StateFolder(settings.feeds_folder),
        open_notices=partial(open_notices_api, settings.notices_api_url, settings.notices_api_token.get_secret_value()),
    )
