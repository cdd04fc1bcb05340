"""Links of a feed of alerts that are followed, and files of alerts, of which one that cannot be read stops no other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.feeds.fetching import FetchFailed
from services.feeds.rss import FeedEntry, Link
from services.feeds.sources import AlertFileSource, find_alert_links
from services.feeds.state import NoticeStatus, OriginState
from tests.factories.alerts import build_alert, build_alert_origin
from tests.factories.feeds import IDENTITY, list_events

FEED = "https://warnungen.example/cap.atom"
CAP = "application/cap+xml"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def build_entry(*links: Link) -> FeedEntry:
    return FeedEntry(id="1", title="Warnung", links=links)


@pytest.mark.parametrize(
    "address",
    [
        "https://warnungen.example/1.cap",
        "https://warnungen.example:443/1.cap",
        "https://Warnungen.EXAMPLE/1.cap",
        "https://warnungen.example./1.cap",
        "http://warnungen.example/1.cap",
    ],
)
def test_the_host_of_the_feed_may_be_written_in_several_ways(address: str) -> None:
    links, foreign = find_alert_links([build_entry(Link(address, CAP))], [FEED])
    assert (list(links), foreign) == ([address], 0)


@pytest.mark.parametrize(
    "address",
    [
        "https://warnungen.example:8443/1.cap",
        "https://warnungen.example.evil.example/1.cap",
        "https://warnungen.example@evil.example/1.cap",
        "https://[::1]/1.cap",
        "ftp://warnungen.example/1.cap",
        "https://warnungen.example:99999/1.cap",
        "https://[]@warnungen.example/1.cap",
        "https://[]@",
        "//",
    ],
)
def test_every_other_host_is_foreign(address: str) -> None:
    assert find_alert_links([build_entry(Link(address, CAP))], [FEED]) == ({}, 1)


def test_a_page_does_not_stand_in_for_an_alert_elsewhere() -> None:
    entry = build_entry(Link("https://warnungen.example/1.html", ""), Link("https://elsewhere.example/1.cap", CAP))
    assert find_alert_links([entry], [FEED]) == ({}, 1)


def test_an_entry_without_a_link_is_not_foreign() -> None:
    assert find_alert_links([build_entry()], [FEED]) == ({}, 0)


def test_a_link_is_read_again_when_its_entry_was_updated() -> None:
    entry = replace(build_entry(Link("https://warnungen.example/1.cap", CAP)), published=NOW, updated=NOW)
    digests = [find_alert_links([replace(entry, updated=NOW + timedelta(hours=hour))], [FEED])[0] for hour in range(2)]
    assert len({tuple(each.values()) for each in digests}) == 2


UNREADABLE = Path("/proc/self/mem")  # a file whose first byte cannot be read, not even by root


def build_source(path: Path) -> AlertFileSource:
    return AlertFileSource(
        origin=build_alert_origin(), path=path, identify=lambda: IDENTITY, find_status=lambda *_: NoticeStatus.SENT
    )


async def test_a_folder_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="nowhere"):
        await build_source(tmp_path / "nowhere")(OriginState())


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
