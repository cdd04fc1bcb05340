"""A feed of alerts on a website that moves, hangs, or answers something else for a while."""

import dataclasses
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from deploy.local.ports import LOOPBACK
from services.feeds.fetching import Fetcher, open_fetcher
from services.feeds.sources import AlertWebSource
from services.feeds.state import NoticeStatus, OriginState
from tests.factories.alerts import build_alert, build_alert_origin
from tests.factories.feeds import IDENTITY, NOW, build_item, build_rss, list_kinds
from tests.harness.website import FakeWebsite, build_conditional_answer, build_text_answer, never_answer

PAGE = build_text_answer(b"<!doctype html><html>Wartung</html>")
WARNING = build_text_answer(build_alert("w-1"))
CANCEL = build_text_answer(
    build_alert("w-2", "<!-- -->", references=["w-1"], msgType="Cancel", sent="2026-11-25T10:30:00+01:00")
)


@dataclass
class Reader:
    """Polls the feed again and again; `counts` are those of the last poll."""

    website: FakeWebsite
    fetcher: Fetcher
    now: datetime = NOW
    memory: OriginState = field(default_factory=OriginState)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = self.build_source(f"{self.website.url}/cap.rss")

    def build_source(self, address: str, seconds: float = 30, **origin: Any) -> AlertWebSource:
        return AlertWebSource(
            origin=build_alert_origin(**origin),
            address=address,
            fetcher=self.fetcher,
            identify=lambda: dataclasses.replace(IDENTITY, now=self.now),
            find_status=lambda *_: NoticeStatus.SENT,
            timeout_seconds=seconds,
        )

    def publish(self, *items: str) -> None:
        body = build_rss(items)
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        self.website.pages["/cap.rss"] = build_conditional_answer(body, etag=etag, last_modified="x")

    def link(self, number: int, **fields: str) -> str:
        return build_item(number, **{"link": f"{self.website.url}/{number}", **fields})

    async def poll(self) -> list[str]:
        """Poll once and return the kinds of the resulting events."""
        outcome = await self.source(self.memory)
        if outcome is None:
            return ["unchanged"]
        self.memory = replace(outcome.state, pending=())
        self.counts = {name: number for name, number in outcome.counts.items() if number}
        return list_kinds(outcome)

    def count_requests(self, path: str) -> int:
        return [request.path for request in self.website.requests].count(path)


@pytest.fixture
async def reader(website: FakeWebsite) -> AsyncIterator[Reader]:
    async with open_fetcher(None, (LOOPBACK, "localhost")) as fetcher:
        yield Reader(website, fetcher)


async def test_a_page_in_place_of_an_alert_does_not_lose_it(reader: Reader, website: FakeWebsite) -> None:
    reader.publish(reader.link(1))
    website.pages["/1"] = PAGE
    for _ in range(2):
        assert (await reader.poll(), reader.counts) == ([], {"broken": 1})
    website.pages["/1"] = WARNING
    assert await reader.poll() == ["published"]
    assert await reader.poll() == ["unchanged"]


async def test_a_link_that_is_no_alert_for_hours_is_left_alone(reader: Reader, website: FakeWebsite) -> None:
    reader.publish(reader.link(1))
    website.pages["/1"] = PAGE
    await reader.poll()
    reader.now += timedelta(hours=7)
    assert (await reader.poll(), reader.counts) == ([], {"broken": 1})
    assert (await reader.poll(), reader.count_requests("/1")) == (["unchanged"], 2)


async def test_an_alert_that_changes_at_the_same_address_is_read_again(reader: Reader, website: FakeWebsite) -> None:
    reader.publish(reader.link(1, pubDate="Wed, 25 Nov 2026 09:00:00 GMT"))
    website.pages["/1"] = WARNING
    assert await reader.poll() == ["published"]
    reader.publish(reader.link(1, pubDate="Wed, 25 Nov 2026 09:30:00 GMT"))
    website.pages["/1"] = CANCEL
    assert await reader.poll() == ["withdrawn", "published"]
    reader.publish(reader.link(1, pubDate="Wed, 25 Nov 2026 09:30:00 GMT"), reader.link(2))
    await reader.poll()
    assert reader.count_requests("/1") == 2


async def test_a_feed_that_has_moved_to_another_host_is_followed_there(reader: Reader, website: FakeWebsite) -> None:
    here = f"{website.url}/cap.rss"
    website.pages["/old"] = build_text_answer(b"", status=301, headers={"Location": here})
    reader.source = reader.build_source(website.url.replace(LOOPBACK, "localhost") + "/old")
    reader.publish(build_item(1, link="/1"))
    website.pages["/1"] = WARNING
    assert await reader.poll() == ["published"]


async def test_links_to_another_host_are_counted_and_told(reader: Reader) -> None:
    reader.publish(build_item(1, link="https://elsewhere.example/1"))
    with capture_logs() as logs:
        assert (await reader.poll(), reader.counts) == ([], {"foreign_link": 1})
    assert [line["event"] for line in logs] == ["alert_links_foreign"]


async def test_links_that_hang_keep_back_nothing_and_are_tried_after_the_others(
    reader: Reader, website: FakeWebsite
) -> None:
    reader.source = reader.build_source(f"{website.url}/cap.rss", seconds=1)
    reader.publish(*(reader.link(number) for number in range(12)))
    website.pages |= {f"/{number}": never_answer for number in range(12)} | {"/3": WARNING, "/11": CANCEL}
    assert (await reader.poll(), reader.counts) == (["published"], {"published": 1, "unreachable": 11})
    assert await reader.poll() == ["withdrawn", "published"]
