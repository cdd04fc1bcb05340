"""Feeds of all formats are read alike, and anything else is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.feeds import format_lines
from services.feeds.polling import PollResult
from services.feeds.rss import MAX_ENTRIES, NotAFeed, read_feed
from tests.factories.feeds import build_item, build_rss, poll_feed

RSS_1 = b"""<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
  xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="https://example.org/"><title>x</title></channel>
<item rdf:about="https://example.org/1"><title>Eins</title><link>https://example.org/1?utm=rss</link>
<description>Text</description><dc:subject>Verkehr</dc:subject><dc:date>2026-11-25T10:00:00+01:00</dc:date></item>
</rdf:RDF>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title><entry><id>urn:eins</id>
<title type="html">Eins &amp;amp; &lt;b&gt;zwei&lt;/b&gt;</title><link href="/1"/>
<link rel="enclosure" type="image/png" href="https://example.org/1.png"/><category term="Verkehr"/>
<updated>2026-11-25T10:00:00+01:00</updated>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Text</p></div></content></entry></feed>"""
TEN = datetime(2026, 11, 25, 9, tzinfo=UTC)


def test_rss_2() -> None:
    feed = read_feed(build_rss([build_item(1, category="Verkehr", pubDate="Wed, 25 Nov 2026 10:00:00 +0100")]))
    (entry,) = feed.entries
    assert (entry.id, entry.title, entry.summary) == ("meldung-1", "Meldung 1", "Text der Meldung 1.")
    assert (entry.categories, entry.published) == (("Verkehr",), TEN)


def test_rss_1() -> None:
    feed = read_feed(RSS_1)
    (entry,) = feed.entries
    assert (entry.id, entry.link) == ("https://example.org/1", "https://example.org/1?utm=rss")
    assert (entry.categories, entry.published) == (("Verkehr",), TEN)


def test_atom_with_links_relative_to_its_address() -> None:
    (entry,) = read_feed(ATOM, address="https://example.org/feed").entries
    assert (entry.id, entry.title, entry.summary) == ("urn:eins", "Eins & zwei", "Text")
    assert (entry.link, entry.picture) == ("https://example.org/1", "https://example.org/1.png")


def test_without_a_guid_the_link_is_the_id() -> None:
    (entry,) = read_feed(build_rss([build_item(1, guid="")])).entries
    assert entry.id == entry.link


def test_what_could_not_be_known_again_is_counted() -> None:
    broken = [build_item(2, guid="", link=""), build_item(3, title=""), build_item(4, title="<img src='x'>")]
    feed = read_feed(build_rss([build_item(1), *broken, build_item(5)]))
    assert [entry.id for entry in feed.entries] == ["meldung-1", "meldung-5"]
    assert feed.broken == 3


def build_dated(number: int) -> str:
    """An item of the day with this number."""
    at = TEN + timedelta(days=number)
    return build_item(number, pubDate=at.isoformat())


@pytest.mark.parametrize("step", [1, -1])
def test_of_a_feed_that_is_too_long_the_newest_are_kept_and_the_others_counted(step: int) -> None:
    feed = read_feed(build_rss([build_dated(number) for number in range(MAX_ENTRIES + 500)][::step]))
    expected = [f"meldung-{number}" for number in range(500, MAX_ENTRIES + 500)]
    assert ([entry.id for entry in feed.entries], feed.surplus) == (expected[::step], 500)


def test_of_a_feed_that_is_too_long_and_has_no_dates_the_first_are_kept() -> None:
    feed = read_feed(build_rss([build_item(number) for number in range(MAX_ENTRIES + 1)]))
    assert ([entry.id for entry in feed.entries][::999], feed.surplus) == (["meldung-0", "meldung-999"], 1)


def test_what_a_feed_that_is_too_long_leaves_out_is_told() -> None:
    outcome = poll_feed(*(build_item(number) for number in range(MAX_ENTRIES + 2)), mode="draft")
    (line,) = format_lines(PollResult("presse", "new", outcome.counts))
    assert "2 skipped: the feed is too long" in line


def test_an_id_that_comes_twice_is_one_entry() -> None:
    feed = read_feed(build_rss([build_item(1), build_item(1, title="Anders")]))
    assert [entry.title for entry in feed.entries] == ["Meldung 1"]


def test_a_feed_that_is_not_well_formed_is_read_as_far_as_possible() -> None:
    feed = read_feed(build_rss([build_item(1), "<item><title>kaputt & <b>", build_item(2)]))
    assert "meldung-1" in {entry.id for entry in feed.entries}


def test_a_date_that_is_none_is_left_out() -> None:
    (entry,) = read_feed(build_rss([build_item(1, pubDate="gestern")])).entries
    assert entry.published is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>404</body></html>",
        b'{"feed": 1}',
        b"/etc/hostname",
        b"http://127.0.0.1/feed",
        b"\x00\x01\x02",
        b'<!DOCTYPE rss [<!ENTITY a "b">]><rss version="2.0"><channel><title>&a;</title></channel></rss>',
    ],
)
def test_what_is_no_feed_or_declares_entities_is_refused(body: bytes) -> None:
    with pytest.raises(NotAFeed):
        read_feed(body)
