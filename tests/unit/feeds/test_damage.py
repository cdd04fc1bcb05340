"""One file that cannot be read stops no other warning, and one damaged state no other origin."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.feeds.decisions import PollOutcome
from services.feeds.fetching import FetchFailed
from services.feeds.folder import StateFolder
from services.feeds.metrics import Metrics
from services.feeds.service import PollLoop
from services.feeds.sources import AlertFileSource
from services.feeds.state import NoticeStatus, OriginState
from tests.factories.alerts import build_alert, build_alert_origin
from tests.factories.feeds import IDENTITY, build_item, list_events
from tests.harness.feeds_folder import FakeFeed, FakeNoticesApi, build_poller

UNREADABLE = Path("/proc/self/mem")  # a file whose first byte cannot be read, not even by root


def build_source(path: Path) -> AlertFileSource:
    return AlertFileSource(
        origin=build_alert_origin(), path=path, identify=lambda: IDENTITY, find_status=lambda *_: NoticeStatus.SENT
    )


async def test_a_file_that_cannot_be_read_costs_the_others_nothing_and_is_read_once_it_can_be(tmp_path: Path) -> None:
    bad = tmp_path / "1.xml"
    bad.symlink_to(UNREADABLE)
    (tmp_path / "2.xml").write_bytes(build_alert("w-2"))
    with capture_logs() as logs:
        outcome = await build_source(tmp_path)(OriginState())
    assert outcome is not None
    assert (len(list_events(outcome)), outcome.counts["unreadable"]) == (1, 1)
    assert [(line["event"], line["where"]) for line in logs] == [("alert_unreadable", "1.xml")]
    again = await build_source(tmp_path)(outcome.state)
    assert again is not None
    assert (again.counts["known"], again.counts["unreadable"]) == (1, 1)
    bad.unlink()
    bad.write_bytes(build_alert("w-1"))
    last = await build_source(tmp_path)(again.state)
    assert last is not None
    assert last.counts["published"] == 1
    assert await build_source(tmp_path)(last.state) is None


async def test_a_file_that_is_gone_before_it_is_read_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "2.xml").write_bytes(build_alert("w-2"))
    listed = [tmp_path / "1.xml", tmp_path / "2.xml"]
    monkeypatch.setattr(AlertFileSource, "_list_files", lambda _: listed)
    outcome = await build_source(tmp_path)(OriginState())
    assert outcome is not None
    assert outcome.counts["published"] == 1


async def test_the_only_file_must_be_readable(tmp_path: Path) -> None:
    alone = tmp_path / "1.xml"
    alone.symlink_to(UNREADABLE)
    with pytest.raises(FetchFailed, match=r"1\.xml"):
        await build_source(alone)(OriginState())


@dataclass(frozen=True)
class RepairedFolder(StateFolder):
    """A folder whose state is damaged, until somebody repairs it before its fourth reading."""

    reads: list[str] = field(default_factory=list)

    def read_state(self, name: str) -> OriginState:
        self.reads.append(name)
        if len(self.reads) == 4:
            self.save_state(name, OriginState())
        return super().read_state(name)


@dataclass
class LastFeed(FakeFeed):
    """A feed after whose reading nothing more is read."""

    at_end: Callable[[], None] = lambda: None

    async def __call__(self, state: OriginState) -> PollOutcome | None:
        self.at_end()
        return await super().__call__(state)


async def test_a_damaged_state_is_a_failed_poll_that_is_repeated_as_usual(tmp_path: Path) -> None:
    folder, registry, notices, stop = RepairedFolder(tmp_path), CollectorRegistry(), FakeNoticesApi(), asyncio.Event()
    path = tmp_path / "memory" / "presse.json"
    path.parent.mkdir()
    path.write_text("{")
    poller = build_poller(folder, LastFeed([build_item(1)], at_end=stop.set), notices, interval_seconds=0.001)
    with capture_logs() as logs:
        await asyncio.wait_for(PollLoop(poller, Metrics(registry), stop).run(), 30)
    told = [(line["log_level"], line["result"]) for line in logs if line["event"] == "feed_polled"]
    assert told == [("warning", "state_damaged")] * 3 + [("info", "new")]
    assert (str(path) in logs[0]["detail"], len(notices.published)) == (True, 1)
