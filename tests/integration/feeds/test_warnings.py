"""CAP alerts from a folder, from the web and from a feed that links to them."""

from pathlib import Path

import pytest

from shared.contracts.events import NoticeAccepted, NoticeRejected, Problem
from tests.factories.alerts import build_alert
from tests.factories.feeds import build_item, build_rss
from tests.harness.website import build_conditional_answer, build_text_answer
from tests.integration.feeds.harness import FeedsHarness

FILES = '\n[[alerts]]\nname = "warnung"\nfiles = "alerts"\ntopic = "strassensperrungen"\nmode = "direct"\n'
WEB = '\n[[alerts]]\nname = "warnung"\nurl = "{url}/alerts"\ntopic = "strassensperrungen"\nmode = "direct"\n'


def alert(identifier: str, *, kind: str = "Alert", refers_to: str = "", minute: int = 0) -> bytes:
    body = build_alert(
        identifier,
        msgType=kind,
        references=[refers_to] if refers_to else [],
        sent=f"2026-11-25T10:{minute:02}:00+01:00",
    )
    return body.replace(b"2026-11-25T22:00:00+01:00", b"")


@pytest.fixture
def alerts(harness: FeedsHarness) -> Path:
    folder = harness.folder / "alerts"
    folder.mkdir()
    harness.origins, harness.options = FILES, ""
    return folder


def types(published: list[dict[str, str]]) -> list[str]:
    return [event["type"].split(".")[3] for event in published]


async def test_an_alert_its_update_and_its_cancellation_are_published_once_each(
    harness: FeedsHarness, alerts: Path
) -> None:
    (alerts / "1.xml").write_bytes(alert("w-1"))
    assert (await harness.poll_once()).output == "warnung: 1 published\n"
    (alerts / "2.xml").write_bytes(alert("w-2", kind="Update", refers_to="w-1", minute=1))
    assert (await harness.poll_once()).output == "warnung: 1 updated, 1 known\n"
    (alerts / "3.cap").write_bytes(alert("w-3", kind="Cancel", refers_to="w-2", minute=2))
    assert (await harness.poll_once()).output == "warnung: 1 withdrawn, 2 known\n"
    assert (await harness.poll_once()).output == "warnung: unchanged\n"
    published = await harness.list_published()
    assert types(published) == ["published", "updated", "withdrawn", "published"]
    subject = published[0]["subject"]
    assert [event["subject"] for event in published] == [subject, subject, subject, f"{subject}.all-clear"]
    assert published[3]["data"]["follows"] == subject


async def test_the_update_of_a_warning_that_kreisfunk_rejected_is_published_as_new(
    harness: FeedsHarness, alerts: Path
) -> None:
    (alerts / "1.xml").write_bytes(alert("w-1"))
    await harness.poll_once()
    (event,) = await harness.list_published()
    late = (Problem(field="expirytime", problem="is in the past"),)
    await harness.answer(
        NoticeRejected(source=event["source"], event=event["id"], notice=event["subject"], problems=late)
    )
    assert "1 rejected by Kreisfunk" in (await harness.poll_once()).output
    (alerts / "2.xml").write_bytes(alert("w-2", kind="Update", refers_to="w-1", minute=1))
    await harness.answer(NoticeAccepted(source="/elsewhere", event="1", notice="1", revision=1))
    assert (await harness.poll_once()).output == "warnung: 1 published, 1 known\n"
    published = await harness.list_published()
    assert types(published) == ["published", "published"]
    assert published[1]["subject"] != event["subject"]


async def test_a_broken_file_is_counted_and_costs_the_others_nothing(harness: FeedsHarness, alerts: Path) -> None:
    (alerts / "1.xml").write_bytes(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><alert>&x;</alert>')
    (alerts / "2.xml").write_bytes(alert("w-2"))
    (alerts / "3.xml").write_bytes(alert("w-3")[:200])
    (alerts / "notes.txt").write_bytes(b"not ours")
    ended = await harness.poll_once()
    assert (ended.status, ended.output) == (0, "warnung: 1 published, 2 broken\n")
    (alerts / "3.xml").write_bytes(alert("w-3"))
    assert (await harness.poll_once()).output == "warnung: 1 published, 1 known, 1 broken\n"


async def test_a_single_address(harness: FeedsHarness) -> None:
    harness.origins, harness.options = WEB, ""
    harness.website.pages["/alerts"] = build_conditional_answer(alert("w-1"), etag='"1"', last_modified="x")
    assert (await harness.poll_once()).output == "warnung: 1 published\n"
    assert (await harness.poll_once()).output == "warnung: unchanged\n"


async def test_a_feed_of_alerts_is_followed_on_its_own_host_only(harness: FeedsHarness) -> None:
    harness.origins, harness.options = WEB, ""
    links = [
        build_item(1, link=f"{harness.website.url}/1"),
        build_item(2, link="http://127.0.0.2:1/2"),
        build_item(3, link=f"{harness.website.url}/3"),
    ]
    harness.website.pages["/alerts"] = build_conditional_answer(build_rss(links), etag='"1"', last_modified="x")
    harness.website.pages["/1"] = build_text_answer(alert("w-1"))
    assert (await harness.poll_once()).output == "warnung: 1 published, 1 foreign link, 1 unreachable\n"
    harness.website.pages["/3"] = build_text_answer(alert("w-3", kind="Cancel", refers_to="w-1", minute=3))
    assert (await harness.poll_once()).output == "warnung: 1 withdrawn, 1 foreign link\n"
    assert (await harness.poll_once()).output == "warnung: unchanged\n"
    assert [request.path for request in harness.website.requests].count("/1") == 1
    assert types(await harness.list_published()) == ["published", "withdrawn", "published"]
