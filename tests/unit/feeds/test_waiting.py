"""A website that asks to wait or fails: left alone, but a warning is not missed for long, and its success is."""

import asyncio
import dataclasses
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from deploy.paths import CONFIG
from services.feeds.configuration import FeedsFile
from services.feeds.decisions import PollOutcome
from services.feeds.fetching import FetchFailed
from services.feeds.folder import StateFolder
from services.feeds.metrics import Metrics
from services.feeds.polling import Poller, PollResult
from services.feeds.service import PollLoop
from services.feeds.state import OriginState
from services.feeds.wiring import FeedComponents
from tests.factories.alerts import build_alert_origin
from tests.factories.feeds import COUNTY, NOW, SOURCE, build_origin
from tests.harness.feeds_folder import FakeNoticesApi


@dataclass
class BusyWebsite:
    """A website that answers each request with 503 and this Retry-After; `now` is its time."""

    retry_after: float = 86_400.0
    now: datetime = NOW
    requested: Callable[[], object] = lambda: None

    async def __call__(self, state: OriginState) -> PollOutcome | None:
        self.requested()
        raise FetchFailed("status_503", retry_after=self.retry_after)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


async def open_pollers(website: BusyWebsite, folder: Path) -> list[Poller]:
    """One of a feed and one of warnings, as the service builds them."""
    alerts = build_alert_origin(files=None, url="https://warnungen.example.org/")
    parts = FeedComponents(
        file=FeedsFile(system="feeds", source=SOURCE, feeds=(build_origin(),), alerts=(alerts,)),
        base_folder=CONFIG,
        county=COUNTY,
        folder=StateFolder(folder),
        open_notices=lambda: nullcontext(FakeNoticesApi()),
        clock=website.tick,
    )
    async with parts.open_publisher() as publisher, parts.open_pollers(publisher) as pollers:
        return [dataclasses.replace(poller, source=website) for poller in pollers]


async def test_a_feed_is_left_alone_for_a_day_and_warnings_for_ten_minutes(tmp_path: Path) -> None:
    website, results = BusyWebsite(), []
    for passed in (timedelta(0), timedelta(minutes=9), timedelta(minutes=2), timedelta(days=1)):
        website.now += passed
        results.append([(await poller.poll()).result for poller in await open_pollers(website, tmp_path)])
    assert results == [
        ["status_503", "status_503"],
        ["must_wait", "must_wait"],
        ["must_wait", "status_503"],
        ["status_503", "status_503"],
    ]


async def test_a_moment_that_a_wrong_clock_stored_is_not_waited_for(tmp_path: Path) -> None:
    StateFolder(tmp_path).save_state("warnung", OriginState(not_before=NOW + timedelta(days=365)))
    _, warnings = await open_pollers(BusyWebsite(), tmp_path)
    assert (await warnings.poll()).result == "status_503"


async def test_waiting_is_no_failure_and_makes_no_pause_longer(tmp_path: Path) -> None:
    website, stop, failures = BusyWebsite(retry_after=10), asyncio.Event(), list[int]()
    _, warnings = await open_pollers(website, tmp_path)
    fast = dataclasses.replace(warnings, interval_seconds=0.001)
    loop = PollLoop(fast, Metrics(CollectorRegistry()), stop)

    def count() -> None:
        failures.append(loop.failures)
        if len(failures) == 4:
            stop.set()

    website.requested = count
    await asyncio.wait_for(loop.run(), 30)
    assert failures == [0, 0, 0, 0]


def test_a_poll_that_was_put_off_is_no_success_either() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.count_poll(PollResult("presse", "must_wait"))
    last = registry.get_sample_value("kreisfunk_feeds_last_success_timestamp_seconds", {"name": "presse"})
    assert last is None


def test_a_feed_that_was_never_read_is_missed_from_the_start() -> None:
    started, registry = time.time(), CollectorRegistry()
    metrics = Metrics(registry, {"presse": 21_600})
    metrics.count_poll(PollResult("presse", "status_404"))
    last = registry.get_sample_value("kreisfunk_feeds_last_success_timestamp_seconds", {"name": "presse"})
    assert last is not None
    assert started <= last <= time.time()
    every = registry.get_sample_value("kreisfunk_feeds_interval_seconds", {"name": "presse"})
    assert every == 21_600, "whoever is read so rarely is not missed after two hours"
