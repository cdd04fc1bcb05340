"""Composition root, and the polling service, which runs until it is asked to stop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from services.feeds.answers import Answers, OpenAnswers, build_answers_opener
from services.feeds.configuration import AlertOrigin, FeedsFile, Origin, read_files
from services.feeds.decisions import PublisherIdentity
from services.feeds.fetching import Fetcher, open_fetcher
from services.feeds.metrics import Metrics
from services.feeds.polling import Deliverer, Poller, PollResult, PollSource
from services.feeds.publisher import OpenPublisher, open_notice_publisher
from services.feeds.settings import Settings
from services.feeds.sources import AlertFileSource, AlertWebSource, FeedSource
from services.feeds.state import StateFolder
from shared.notices.configuration import Configuration
from shared.outcome import DependencyUnavailable
from shared.runtime.clock import Clock, system_clock
from shared.runtime.probes import Check, Readiness, open_internal_port
from shared.runtime.process import StopRequest

CONNECTION_NAME = "feeds"


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
            (origin, FeedSource(origin=origin, fetcher=fetcher, publisher=place, clock=self.clock))
            for origin in self.file.feeds
        ]
        return [*feeds, *((origin, self._build_alert_source(origin, fetcher, place)) for origin in self.file.alerts)]

    def _build_alert_source(self, origin: AlertOrigin, fetcher: Fetcher, place: PublisherIdentity) -> PollSource:
        if origin.files is not None:
            return AlertFileSource(origin=origin, path=self.base / origin.files, publisher=place, clock=self.clock)
        return AlertWebSource(
            origin=origin, address=origin.url or "", fetcher=fetcher, publisher=place, clock=self.clock
        )

    def _build_poller(self, origin: Origin, look: PollSource) -> Poller:
        return Poller(
            name=origin.name,
            every_seconds=origin.every_seconds,
            source=look,
            folder=self.folder,
            deliverer=Deliverer(origin.name, self.folder, self.open_publisher),
            clock=self.clock,
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
        open_answers=build_answers_opener(settings.broker_url, password=settings.broker_secret, name=CONNECTION_NAME),
    )


RETRY_DELAY_SECONDS = 5.0
MAX_PAUSE_SECONDS = 6 * 3600.0

_log = structlog.get_logger()


@dataclass
class PollLoop:
    """Poll loop of one origin until `stop`; a poll in progress is finished.

    `is_unavailable` is set while the publisher is unavailable.
    """

    poller: Poller
    metrics: Metrics
    stop: asyncio.Event
    failures: int = 0
    is_unavailable: bool = False

    async def run(self) -> None:
        while not self.stop.is_set():
            pause = await self._poll()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.stop.wait()

    async def _poll(self) -> float:
        """Poll once; return the seconds until the next poll."""
        try:
            poll = await self.poller.poll()
        except DependencyUnavailable as error:
            self.is_unavailable = True
            _log.warning("dependency_unavailable", name=self.poller.name, error=str(error))
            return RETRY_DELAY_SECONDS
        self.is_unavailable = False
        self._report(poll)
        return self._compute_pause(poll)

    def _report(self, poll: PollResult) -> None:
        self.metrics.count_poll(poll)
        wrong = {subject: [one.field for one in problems] for subject, problems in poll.problems.items()}
        tell = _log.warning if poll.failed or wrong else _log.info
        tell(
            "feed_polled",
            name=poll.name,
            result=poll.result,
            detail=poll.detail,
            entries=dict(poll.counts),
            wrong=wrong,
        )

    def _compute_pause(self, poll: PollResult) -> float:
        """Return the pause; it doubles with each failure of the website, up to MAX_PAUSE_SECONDS."""
        self.failures = self.failures + 1 if poll.failed else 0
        usual = self.poller.every_seconds
        return usual if not self.failures else min(usual * 2 ** min(self.failures, 10), max(usual, MAX_PAUSE_SECONDS))


@dataclass
class AnswerListener:
    """Loop that records answers to published events until `stop`."""

    answers: Answers
    metrics: Metrics
    stop: asyncio.Event

    async def run(self) -> None:
        while not self.stop.is_set():
            await self._read_answers()
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_DELAY_SECONDS):
                    await self.stop.wait()

    async def _read_answers(self) -> None:
        try:
            rejected = await self.answers.read_new()
        except DependencyUnavailable as error:
            _log.warning("dependency_unavailable", name="answers", error=str(error))
            return
        for name, number in rejected.items():
            self.metrics.count_rejected(name, number)


def _build_publisher_check(watches: Sequence[PollLoop]) -> Check:
    async def check() -> bool:
        return not any(watch.is_unavailable for watch in watches)

    return check


async def serve(settings: Settings, parts: FeedComponents, stop: StopRequest) -> None:
    """Run until `stop` is requested, then finish the polls in progress."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    async with parts.open_pollers() as pollers:
        watches = [PollLoop(poller, metrics, stop.requested) for poller in pollers]
        readiness = Readiness({"publisher": _build_publisher_check(watches)})
        host, port = settings.internal_host, settings.internal_port
        probes = open_internal_port(host=host, port=port, registry=registry, readiness=readiness)
        async with probes, asyncio.TaskGroup() as tasks:
            for watch in watches:
                tasks.create_task(watch.run())
            tasks.create_task(AnswerListener(parts.answers, metrics, stop.requested).run())
            await stop.requested.wait()
            readiness.draining = True
