"""Composition root: builds the pollers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from services.feeds.answers import Answers, OpenAnswers
from services.feeds.configuration import AlertOrigin, FeedsFile, Origin, read_files
from services.feeds.decisions import PublisherIdentity
from services.feeds.fetching import MAX_RETRY_AFTER_SECONDS, Fetcher, open_fetcher
from services.feeds.polling import Poller, PollSource
from services.feeds.publisher import OpenPublisher, open_notice_publisher
from services.feeds.settings import Settings
from services.feeds.sources import AlertFileSource, AlertWebSource, FeedSource
from services.feeds.state import StateFolder
from shared.amqp.stream import StreamReader
from shared.amqp.topology import ANSWERS
from shared.notices.configuration import Configuration
from shared.runtime.clock import Clock, system_clock

CONNECTION_NAME = "feeds"
MAX_ALERT_WAIT_SECONDS = 600.0  # a warning is worth asking again, whatever the website says


@dataclass(frozen=True, kw_only=True)
class FeedComponents:
    """Components of the service; paths in `file` are relative to `base`."""

    file: FeedsFile
    base: Path
    county: Configuration
    folder: StateFolder
    open_publisher: OpenPublisher
    open_answers: OpenAnswers
    clock: Clock = system_clock

    @asynccontextmanager
    async def open_pollers(self) -> AsyncIterator[tuple[Poller, ...]]:
        """Open one poller per origin, all on one HTTP client."""
        async with open_fetcher(self.file.contact, self.file.internal_hosts) as fetcher:
            yield tuple(self._build_poller(origin, look) for origin, look in self._build_sources(fetcher))

    @property
    def answers(self) -> Answers:
        return Answers(
            source=self.file.source, system=self.file.system, folder=self.folder, open_answers=self.open_answers
        )

    def _build_sources(self, fetcher: Fetcher) -> list[tuple[Origin, PollSource]]:
        place = PublisherIdentity(
            system=self.file.system, source=self.file.source, county=self.county, now=self.clock()
        )
        feeds = [
            (
                origin,
                FeedSource(
                    origin=origin,
                    fetcher=fetcher,
                    publisher=place,
                    clock=self.clock,
                    count_drafts=partial(self.folder.count_drafts, origin.name),
                ),
            )
            for origin in self.file.feeds
        ]
        return [*feeds, *((origin, self._build_alert_source(origin, fetcher, place)) for origin in self.file.alerts)]

    def _build_alert_source(self, origin: AlertOrigin, fetcher: Fetcher, place: PublisherIdentity) -> PollSource:
        status = self.folder.find_status
        if origin.files is not None:
            path = self.base / origin.files
            return AlertFileSource(origin=origin, path=path, publisher=place, clock=self.clock, find_status=status)
        return AlertWebSource(
            origin=origin,
            address=origin.url or "",
            fetcher=fetcher,
            publisher=place,
            clock=self.clock,
            find_status=status,
        )

    def _build_poller(self, origin: Origin, look: PollSource) -> Poller:
        return Poller(
            name=origin.name,
            every_seconds=origin.every_seconds,
            source=look,
            folder=self.folder,
            open_publisher=self.open_publisher,
            clock=self.clock,
            max_wait_seconds=MAX_ALERT_WAIT_SECONDS if isinstance(origin, AlertOrigin) else MAX_RETRY_AFTER_SECONDS,
        )


def build_components(settings: Settings) -> FeedComponents:
    """Read the files and build the components; nothing is opened. Raises FeedsFileError."""
    file, county = read_files(settings.feeds_file, settings.county_file)
    return FeedComponents(
        file=file,
        base=settings.feeds_file.parent,
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
