"""Polls: with a full disk nothing ends, and a website that asks to wait or fails is left alone, but not for long."""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, repeat
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from deploy.paths import CONFIG
from services.feeds.configuration import FeedsFile
from services.feeds.decisions import PollOutcome
from services.feeds.fetching import FetchFailed
from services.feeds.folder import StateFolder, list_files
from services.feeds.metrics import Metrics
from services.feeds.polling import Poller, PollResult
from services.feeds.service import PollLoop
from services.feeds.state import OriginState
from services.feeds.wiring import FeedComponents
from tests.factories.alerts import build_alert_origin
from tests.factories.feeds import COUNTY, NOW, SOURCE, build_item, build_origin
from tests.harness.feeds_folder import Disk, FakeFeed, FakeNoticesApi, LimitedFolder, build_poller


@pytest.fixture
def notices() -> FakeNoticesApi:
    return FakeNoticesApi()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def folder(tmp_path: Path, disk: Disk) -> LimitedFolder:
    return LimitedFolder(tmp_path, disk)


async def test_a_poll_with_a_hundred_drafts_saves_the_state_twice(
    notices: FakeNoticesApi, disk: Disk, folder: LimitedFolder
) -> None:
    feed = FakeFeed([build_item(number) for number in range(100)], {"mode": "draft"})
    polled = await build_poller(folder, feed, notices).poll()
    assert (polled.counts["drafted"], len(list_files(folder.drafts)), disk.states) == (100, 100, 2)
    assert (folder.read_state("presse").pending, notices.published) == ((), [])


async def test_drafts_between_what_is_published_cost_no_state_of_their_own(
    notices: FakeNoticesApi, disk: Disk, folder: LimitedFolder
) -> None:
    rules = [{"title": "[02468]$", "mode": "draft"}]
    feed = FakeFeed([build_item(number) for number in range(10)], {"rules": rules})
    await build_poller(folder, feed, notices).poll()
    assert (len(list_files(folder.drafts)), len(notices.published), disk.states) == (5, 5, 7)


async def test_drafts_of_one_origin_are_counted(notices: FakeNoticesApi, folder: LimitedFolder) -> None:
    await build_poller(folder, FakeFeed([build_item(1), build_item(2)], {"mode": "draft"}), notices).poll()
    await build_poller(folder, FakeFeed([build_item(3)], {"mode": "draft", "name": "presse-2"}), notices).poll()
    counted = [folder.count_drafts(name) for name in ("presse", "presse-2", "press")]
    assert (len(list_files(folder.drafts)), counted) == (3, [2, 1, 0])


@pytest.mark.parametrize("full", ["state", "sent"])
async def test_a_full_disk_is_told_and_what_was_found_is_sent_once_it_is_not(
    full: str, notices: FakeNoticesApi, disk: Disk, folder: LimitedFolder
) -> None:
    poller = build_poller(folder, FakeFeed([build_item(1), build_item(2)]), notices)
    disk.full = {full}
    for _ in range(3):
        polled = await poller.poll()
        assert (polled.result, polled.failed) == ("folder", True)
        assert polled.detail == f"cannot use {folder.path}: No space left on device"
    assert notices.published == []
    disk.full = set()
    await poller.poll()
    await poller.poll()
    assert len(notices.published) == len(set(notices.published)) == 2


async def test_a_disk_that_gets_full_after_a_publication_sends_nothing_twice(
    notices: FakeNoticesApi, disk: Disk, folder: LimitedFolder
) -> None:
    poller = build_poller(folder, FakeFeed([build_item(1), build_item(2)]), notices)
    disk.full = {"sent"}
    await poller.poll()
    disk.full = {"state"}
    for _ in range(3):
        assert (await poller.poll()).result == "folder"
    assert len(notices.published) == 1
    disk.full = set()
    await poller.poll()
    assert len(notices.published) == len(set(notices.published)) == 2
    assert folder.read_state("presse").pending == ()


async def test_a_draft_that_somebody_dropped_while_the_disk_was_full_stays_dropped(
    notices: FakeNoticesApi, disk: Disk, folder: LimitedFolder
) -> None:
    poller = build_poller(folder, FakeFeed([build_item(1)], {"mode": "draft"}), notices)
    disk.full = {"draft"}
    assert (await poller.poll()).result == "folder"
    disk.full = {"state"}
    assert (await poller.poll()).result == "folder"
    (draft,) = list_files(folder.drafts)
    folder.drop(draft.stem)
    disk.full = set()
    await poller.poll()
    assert list_files(folder.drafts) == []


async def test_a_state_that_cannot_be_read_is_a_failed_poll(notices: FakeNoticesApi, tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("no folder")
    polled = await build_poller(StateFolder(tmp_path), FakeFeed([build_item(1)]), notices).poll()
    assert (polled.result, str(tmp_path) in polled.detail, notices.published) == ("folder", True, [])


@dataclass
class ScriptedFeed(FakeFeed):
    """A feed that takes these steps, one with each poll."""

    steps: Iterator[Callable[[], object]] = field(default_factory=lambda: iter(()))

    async def __call__(self, state: OriginState) -> PollOutcome | None:
        next(self.steps)()
        return await super().__call__(state)


async def test_a_full_disk_ends_no_loop_and_slows_none_down(
    notices: FakeNoticesApi, disk: Disk, folder: LimitedFolder
) -> None:
    registry, stop = CollectorRegistry(), asyncio.Event()
    feed = ScriptedFeed([build_item(1)])
    loop = PollLoop(build_poller(folder, feed, notices, interval_seconds=0.001), Metrics(registry), stop)
    failures: list[int] = []
    full = repeat(lambda: failures.append(loop.failures), 10)
    feed.steps = chain([lambda: disk.full.add("state")], full, [disk.full.clear, stop.set])
    await asyncio.wait_for(loop.run(), 30)
    polls = [
        registry.get_sample_value("kreisfunk_feeds_polls_total", {"name": "presse", "result": result})
        for result in ("folder", "new")
    ]
    assert (polls, failures, len(notices.published)) == ([11, 2], [0] * 10, 1)


async def test_a_flood_is_told_in_log_and_metric(notices: FakeNoticesApi, folder: LimitedFolder) -> None:
    registry, stop = CollectorRegistry(), asyncio.Event()
    folder.save_state("presse", OriginState(polled=True, forgot=NOW.date()))
    feed = ScriptedFeed([build_item(1)], steps=iter([stop.set]))
    with capture_logs() as logs:
        await asyncio.wait_for(PollLoop(build_poller(folder, feed, notices), Metrics(registry), stop).run(), 30)
    told = [(line["log_level"], line["entries"]["perhaps_known"]) for line in logs if line["event"] == "feed_polled"]
    labels = {"name": "presse", "outcome": "perhaps_known"}
    assert (told, registry.get_sample_value("kreisfunk_feeds_entries_total", labels)) == ([("warning", 1)], 1)
    assert (len(list_files(folder.drafts)), notices.published) == (1, [])


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


@dataclass(frozen=True)
class RepairedFolder(StateFolder):
    """A folder whose state is damaged, until somebody repairs it before its fourth reading."""

    reads: list[str] = field(default_factory=list)

    def read_state(self, name: str) -> OriginState:
        self.reads.append(name)
        if len(self.reads) == 4:
            self.save_state(name, OriginState())
        return super().read_state(name)


async def test_a_damaged_state_is_a_failed_poll_that_is_repeated_as_usual(tmp_path: Path) -> None:
    folder, registry, notices, stop = RepairedFolder(tmp_path), CollectorRegistry(), FakeNoticesApi(), asyncio.Event()
    path = tmp_path / "memory" / "presse.json"
    path.parent.mkdir()
    path.write_text("{")
    poller = build_poller(
        folder, ScriptedFeed([build_item(1)], steps=iter([stop.set])), notices, interval_seconds=0.001
    )
    with capture_logs() as logs:
        await asyncio.wait_for(PollLoop(poller, Metrics(registry), stop).run(), 30)
    told = [(line["log_level"], line["result"]) for line in logs if line["event"] == "feed_polled"]
    assert told == [("warning", "state_damaged")] * 3 + [("info", "new")]
    assert (str(path) in logs[0]["detail"], len(notices.published)) == (True, 1)
