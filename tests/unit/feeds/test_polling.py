"""Files that a poll writes; with a full disk nothing ends and nothing is sent twice."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.feeds.decisions import PollOutcome
from services.feeds.folder import list_files
from services.feeds.metrics import Metrics
from services.feeds.service import PollLoop
from services.feeds.state import OriginState
from tests.factories.feeds import NOW, build_item
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
