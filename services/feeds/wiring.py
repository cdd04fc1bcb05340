"""Composition root of the feeds service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from services.feeds.broker import Answers, OpenAnswers, OpenPublisher, open_notice_publisher
from services.feeds.configuration import AlertOrigin, FeedOrigin, FeedsFile, read_files
from services.feeds.decisions import PublisherIdentity
from services.feeds.fetching import MAX_RETRY_AFTER_SECONDS, Fetcher, open_fetcher
from services.feeds.folder import StateFolder
from services.feeds.polling import Poller, PollSource
from services.feeds.settings import Settings
from services.feeds.sources import AlertFileSource, AlertWebSource, FeedSource
from shared.amqp.stream import StreamReader
from shared.amqp.topology import ANSWERS
from shared.notices.configuration import Configuration
from shared.runtime.clock import Clock, system_clock

CONNECTION_NAME = "feeds"
MAX_ALERT_WAIT_SECONDS = 600.0  # shorter than a website may ask for, as warnings are urgent


@dataclass(frozen=True, kw_only=True)
class FeedComponents:
    """Components of the service; paths in `file` are relative to `base_folder`."""

    file: FeedsFile
    base_folder: Path
    county: Configuration
    folder: StateFolder
    open_publisher: OpenPublisher
    open_answers: OpenAnswers
    clock: Clock = system_clock

    @asynccontextmanager
    async def open_pollers(self) -> AsyncIterator[tuple[Poller, ...]]:
        """Open one poller per origin, all on one HTTP client."""
        async with open_fetcher(self.file.contact, self.file.internal_hosts) as fetcher:
            yield tuple(self._build_poller(origin, fetcher) for origin in self.file.origins)

    @property
    def answers(self) -> Answers:
        return Answers(
            source=self.file.source, system=self.file.system, folder=self.folder, open_answers=self.open_answers
        )

    def identify(self) -> PublisherIdentity:
        return PublisherIdentity(system=self.file.system, source=self.file.source, county=self.county, now=self.clock())

    def _build_poller(self, origin: FeedOrigin | AlertOrigin, fetcher: Fetcher) -> Poller:
        return Poller(
            name=origin.name,
            interval_seconds=origin.interval_seconds,
            source=self._build_source(origin, fetcher),
            folder=self.folder,
            open_publisher=self.open_publisher,
            clock=self.clock,
            max_wait_seconds=MAX_ALERT_WAIT_SECONDS if isinstance(origin, AlertOrigin) else MAX_RETRY_AFTER_SECONDS,
        )

    def _build_source(self, origin: FeedOrigin | AlertOrigin, fetcher: Fetcher) -> PollSource:
        identify, find_status = self.identify, self.folder.find_status
        if isinstance(origin, FeedOrigin):
            count_drafts = partial(self.folder.count_drafts, origin.name)
            return FeedSource(origin=origin, fetcher=fetcher, identify=identify, count_drafts=count_drafts)
        if origin.files is not None:
            path = self.base_folder / origin.files
            return AlertFileSource(origin=origin, path=path, identify=identify, find_status=find_status)
        return AlertWebSource(
            origin=origin, address=origin.url or "", fetcher=fetcher, identify=identify, find_status=find_status
        )


def build_components(settings: Settings) -> FeedComponents:
    """Read the files and build the components, without opening connections. Raises FeedsFileError."""
    file, county = read_files(settings.feeds_file, settings.county_file)
    return FeedComponents(
        file=file,
        base_folder=settings.feeds_file.parent,
        county=county,
        folder=StateFolder(settings.feeds_folder),
        open_publisher=partial(
            open_notice_publisher,
            settings.broker_url,
            password=settings.broker_secret,
            login=settings.login,
            name=CONNECTION_NAME,
        ),
        open_answers=partial(StreamReader, settings.broker_url, settings.broker_secret, CONNECTION_NAME, ANSWERS),
    )
