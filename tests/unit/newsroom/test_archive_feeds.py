"""The archive for machines: what each format says about an entry, whatever it contains."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from services.newsroom.domain.archive import Archive, ArchiveSelection
from services.newsroom.domain.archive_feeds import (
    MAX_FEED_ENTRIES,
    build_atom,
    build_json_feed,
    build_linked_data,
    build_query,
    build_rss,
)
from tests.factories.archive import NOW, SITE, build_entry

ATOM = "{http://www.w3.org/2005/Atom}"
ALL = ArchiveSelection()
HOSTILE = "</title><script>alert(1)</script> ]]> & \"' \x00\x0b\ufffe 🚧"
READABLE = "</title><script>alert(1)</script> ]]> & \"'  🚧"
URL = "https://meldungen.example/meldung/K7M2-Q9TX"

Reader = Callable[[Archive, ArchiveSelection], list[tuple[str, ...]]]


def parse_xml(document: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(document)  # noqa: S314 (our own)


class _Reader(HTMLParser):
    """A feed reader, to which a description is HTML; `shown` is its text, without what would be an element."""

    shown = ""

    def handle_data(self, data: str) -> None:
        self.shown += data


def read_html(html: str) -> str:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.shown


def read_rss(archive: Archive, selection: ArchiveSelection) -> list[tuple[str, ...]]:
    items = parse_xml(build_rss(SITE, archive, selection)).iterfind("channel/item")
    texts = ([item.findtext(name, "") for name in ("guid", "link", "title", "description")] for item in items)
    return [(*others, read_html(description)) for *others, description in texts]


def read_atom(archive: Archive, selection: ArchiveSelection) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for entry in parse_xml(build_atom(SITE, archive, selection)).iterfind(f"{ATOM}entry"):
        identifier, title, text = (entry.findtext(f"{ATOM}{name}", "") for name in ("id", "title", "content"))
        found.append((identifier, entry.find(f"{ATOM}link[@rel='alternate']").get("href", ""), title, text))  # type: ignore[union-attr]
    return found


def read_json(archive: Archive, selection: ArchiveSelection) -> list[tuple[str, ...]]:
    items = json.loads(build_json_feed(SITE, archive, selection))["items"]
    return [(item["id"], item["url"], item["title"], item["content_text"]) for item in items]


READERS = pytest.mark.parametrize("read", [read_rss, read_atom, read_json])


@READERS
def test_every_format_has_the_entry(read: Reader) -> None:
    entry = build_entry()
    assert read(Archive([entry], NOW), ALL) == [(URL, URL, entry.headline, entry.text)]


@READERS
def test_a_new_revision_is_the_same_item_at_a_new_address(read: Reader) -> None:
    first = build_entry(replaced_by=2)
    second = build_entry(code="00000002", revision=2, headline="Neu", published_at=NOW)
    ((identifier, url, title, _),) = read(Archive([first, second], NOW), ALL)
    assert (identifier, url, title) == (URL, "https://meldungen.example/meldung/0000-0002", "Neu")


@READERS
def test_a_withdrawn_notice_says_so(read: Reader) -> None:
    ((_, _, title, _),) = read(Archive([build_entry(withdrawn_at=NOW)], NOW), ALL)
    assert title == "Zurückgezogen: K 8: neue Fahrbahndecke"


@READERS
def test_only_what_is_chosen_and_only_the_newest(read: Reader) -> None:
    entries = [
        build_entry(code=f"{number:08}", notice=str(number), published_at=NOW - timedelta(minutes=number))
        for number in range(MAX_FEED_ENTRIES + 1)
    ]
    archive = Archive([*entries, build_entry(code="Z", notice="z", topic="veranstaltungen")], NOW)
    chosen = read(archive, ArchiveSelection(topic="baustellen"))
    assert [url[-4:] for _, url, _, _ in chosen] == [f"{number:04}" for number in range(MAX_FEED_ENTRIES)]
    assert read(archive, ArchiveSelection(topic="veranstaltungen", municipality="Worpswede")) != []


@READERS
def test_hostile_text_stays_text(read: Reader) -> None:
    ((_, _, title, text),) = read(Archive([build_entry(headline=HOSTILE, text=HOSTILE)], NOW), ALL)
    assert title.replace("\x00\x0b\ufffe", "") == text.replace("\x00\x0b\ufffe", "") == READABLE


def test_an_empty_archive_is_a_valid_feed() -> None:
    archive = Archive([], NOW)
    feed = parse_xml(build_atom(SITE, archive, ArchiveSelection(municipality="Worpswede")))
    assert feed.findtext(f"{ATOM}updated") == NOW.isoformat()
    assert feed.findtext(f"{ATOM}title") == "Landkreis Osterholz: Meldungen in Worpswede"
    assert json.loads(build_json_feed(SITE, archive, ALL))["items"] == []


def test_a_selection_is_an_address() -> None:
    assert build_query(ALL) == ""
    assert build_query(ArchiveSelection(topic="baustellen", municipality="Ritter & Hude")) == (
        "?thema=baustellen&gemeinde=Ritter+%26+Hude"
    )


def test_a_notice_is_an_announcement() -> None:
    entry = build_entry(
        municipalities=("Worpswede",), link="https://www.example/k8", picture="https://www.example/a.jpg"
    )
    assert build_linked_data(SITE, Archive([entry], NOW), entry) == {
        "@context": "https://schema.org",
        "@type": "SpecialAnnouncement",
        "name": entry.headline,
        "text": entry.text,
        "url": URL,
        "image": "https://www.example/a.jpg",
        "datePosted": "2026-11-27T11:00:00+00:00",
        "expires": "2026-11-28T12:00:00+00:00",
        "category": "Baustellen",
        "spatialCoverage": [{"@type": "AdministrativeArea", "name": "Worpswede"}],
        "publisher": {
            "@type": "GovernmentOrganization",
            "name": "Landkreis Osterholz",
            "url": "https://meldungen.example/",
        },
        "newsUpdatesAndGuidelines": "https://www.example/k8",
    }


def test_what_has_a_day_is_an_event_and_what_no_longer_stands_is_nothing() -> None:
    entry = build_entry(topic="veranstaltungen", headline="Tag der offenen Tür", text="Am 5. Dezember, 10 bis 16 Uhr.")
    data = build_linked_data(SITE, Archive([entry], NOW), entry)
    assert data is not None
    assert (data["@type"], data["startDate"], data["endDate"]) == (
        "Event",
        "2026-12-05T10:00:00+01:00",
        "2026-12-05T16:00:00+01:00",
    )
    assert data["location"] == {"@type": "Place", "name": "Landkreis Osterholz", "address": "Landkreis Osterholz"}
    for changes, kind in (
        ({"text": "Demnächst."}, "SpecialAnnouncement"),
        ({"topic": "baustellen"}, "SpecialAnnouncement"),
        ({"withdrawn_at": NOW}, None),
        ({"replaced_by": 2}, None),
    ):
        other = replace(entry, **changes)
        data = build_linked_data(SITE, Archive([other], NOW), other)
        assert (data and data["@type"]) == kind, changes
