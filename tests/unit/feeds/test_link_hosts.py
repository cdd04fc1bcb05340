"""Links of a feed of alerts that are followed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.feeds.rss import FeedEntry, Link
from services.feeds.sources import find_alert_links

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
