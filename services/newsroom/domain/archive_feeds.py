"""Machine-readable archive: RSS 2.0, Atom, JSON Feed 1.1 and schema.org."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import msgspec

from services.newsroom.domain.archive import Archive, ArchiveEntry, ArchiveSelection, EntryState, format_code
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.domain.german import MONTHS, find_day
from shared.contracts.hours import LOCAL_ZONE

_DAY = re.compile(
    r"\b(?P<day>\d{1,2})\.(?:\s*(?:bis|und|–|-)\s*\d{1,2}\.)?\s*"
    rf"(?:(?P<name>{'|'.join(MONTHS)})|(?P<number>0?[1-9]|1[0-2])\.)(?:\s*(?P<year>20\d\d)\b|(?<=\.)|\b)"
)
_CLOCK = r"(?P<{0}>\d{{1,2}})(?:[.:](?P<{0}_minute>\d\d))?"
_TIME = re.compile(
    rf"\b{_CLOCK.format('begin')}\s*(?:Uhr\s*)?(?:(?:bis|–|-)\s*{_CLOCK.format('end')}\s*)?Uhr\b", re.IGNORECASE
)


@dataclass(frozen=True)
class EventTime:
    """Begin and end of an event; `begin` is a date if the time of day is not known."""

    begin: datetime | date
    end: datetime | None = None


def find_event_time(text: str, published_at: datetime) -> EventTime | None:
    """Return the first date in the text with the time that follows it; without a year, the next such date."""
    match = _DAY.search(text)
    day = _read_day(match, published_at.astimezone(LOCAL_ZONE).date()) if match else None
    if match is None or day is None:
        return None
    clock = _TIME.search(text, match.end())
    begin = _read_time(clock, "begin") if clock else None
    if clock is None or begin is None:
        return EventTime(day)
    end = _read_time(clock, "end")
    ends_at = datetime.combine(day, end, LOCAL_ZONE) if end and end > begin else None
    return EventTime(datetime.combine(day, begin, LOCAL_ZONE), ends_at)


def _read_day(match: re.Match[str], published: date) -> date | None:
    month = MONTHS.index(match["name"]) + 1 if match["name"] else int(match["number"])
    return find_day(int(match["day"]), month, match["year"], published, published)


def _read_time(match: re.Match[str], name: str) -> time | None:
    if match[name] is None:
        return None
    try:
        return time(int(match[name]), int(match[f"{name}_minute"] or 0))
    except ValueError:
        return None


MAX_FEED_ENTRIES = 50
WITHDRAWN_PREFIX = "Zurückgezogen: "
_ATOM = "http://www.w3.org/2005/Atom"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class ArchiveSite:
    """Description of the archive; notices of `event_topics` that name a date are events."""

    url: str
    county: NewsroomCounty
    event_topics: frozenset[str] = frozenset()

    def build_url(self, path: str) -> str:
        return f"{self.url}{path}"

    def build_entry_url(self, code: str) -> str:
        return self.build_url(f"/meldung/{format_code(code)}")

    def build_selection_url(self, path: str, selection: ArchiveSelection) -> str:
        return self.build_url(path + build_query(selection))

    def get_title(self, selection: ArchiveSelection) -> str:
        """Return the title, such as `Landkreis Osterholz: Baustellen in Worpswede`."""
        topic = self.county.topic_titles[selection.topic] if selection.topic else "Meldungen"
        place = f" in {selection.municipality}" if selection.municipality else ""
        return f"{self.county.name}: {topic}{place}"

    def get_topic(self, entry: ArchiveEntry) -> str:
        """Return the title of the entry's topic, its id if the county has none of this id any more."""
        return self.county.topic_titles.get(entry.topic, entry.topic)


def build_query(selection: ArchiveSelection) -> str:
    """Return the query string of this selection, empty for everything."""
    values = {"thema": selection.topic, "gemeinde": selection.municipality}
    query = urlencode({name: value for name, value in values.items() if value})
    return f"?{query}" if query else ""


def get_headline(archive: Archive, entry: ArchiveEntry) -> str:
    """Return the headline, prefixed if the notice was withdrawn."""
    is_withdrawn = archive.get_state(entry) is EntryState.WITHDRAWN
    return f"{WITHDRAWN_PREFIX}{entry.headline}" if is_withdrawn else entry.headline


def build_rss(site: ArchiveSite, archive: Archive, selection: ArchiveSelection) -> bytes:
    """Return the newest entries as RSS 2.0."""
    ElementTree.register_namespace("atom", _ATOM)
    rss = ElementTree.Element("rss", version="2.0")
    channel = ElementTree.SubElement(rss, "channel")
    _add(channel, "title", site.get_title(selection))
    _add(channel, "link", site.build_selection_url("/", selection))
    _add(channel, "description", f"Meldungen, die der {site.county.name} über WhatsApp versandt hat")
    _add(channel, "language", "de")
    feed_url = site.build_selection_url("/meldungen.rss", selection)
    _add(channel, f"{{{_ATOM}}}link", rel="self", type="application/rss+xml", href=feed_url)
    for entry in _list_newest(archive, selection):
        item = ElementTree.SubElement(channel, "item")
        _add(item, "title", get_headline(archive, entry))
        _add(item, "link", site.build_entry_url(entry.code))
        _add(item, "guid", site.build_entry_url(archive.get_origin(entry)), isPermaLink="false")
        _add(item, "pubDate", format_datetime(entry.changed_at))
        _add(item, "description", html.escape(entry.text, quote=False))  # feed readers interpret it as HTML
        for tag in _list_tags(site, entry):
            _add(item, "category", tag)
    return _encode(rss)


def build_atom(site: ArchiveSite, archive: Archive, selection: ArchiveSelection) -> bytes:
    """Return the newest entries as Atom."""
    ElementTree.register_namespace("", _ATOM)
    feed_url = site.build_selection_url("/meldungen.atom", selection)
    entries = _list_newest(archive, selection)
    feed = ElementTree.Element(f"{{{_ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": "de"})
    _add_atom(feed, "id", feed_url)
    _add_atom(feed, "title", site.get_title(selection))
    _add_atom(feed, "updated", max((entry.changed_at for entry in entries), default=archive.now).isoformat())
    _add_atom(_add_atom(feed, "author"), "name", site.county.name)
    _add_atom(feed, "link", rel="self", type="application/atom+xml", href=feed_url)
    _add_atom(feed, "link", rel="alternate", type="text/html", href=site.build_selection_url("/", selection))
    for entry in entries:
        item = _add_atom(feed, "entry")
        _add_atom(item, "id", site.build_entry_url(archive.get_origin(entry)))
        _add_atom(item, "title", get_headline(archive, entry))
        _add_atom(item, "published", entry.published_at.isoformat())
        _add_atom(item, "updated", entry.changed_at.isoformat())
        _add_atom(item, "link", rel="alternate", type="text/html", href=site.build_entry_url(entry.code))
        if entry.link:
            _add_atom(item, "link", rel="related", href=entry.link)
        _add_atom(item, "content", entry.text, type="text")
        for tag in _list_tags(site, entry):
            _add_atom(item, "category", term=tag)
    return _encode(feed)


def build_json_feed(site: ArchiveSite, archive: Archive, selection: ArchiveSelection) -> bytes:
    """Return the newest entries as JSON Feed 1.1."""
    items = []
    for entry in _list_newest(archive, selection):
        optional = {"external_url": entry.link, "image": entry.picture}
        items.append(
            {
                "id": site.build_entry_url(archive.get_origin(entry)),
                "url": site.build_entry_url(entry.code),
                "title": get_headline(archive, entry),
                "content_text": entry.text,
                "date_published": entry.published_at.isoformat(),
                "date_modified": entry.changed_at.isoformat(),
                "tags": _list_tags(site, entry),
                **{name: value for name, value in optional.items() if value},
            }
        )
    return msgspec.json.encode(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": site.get_title(selection),
            "home_page_url": site.build_selection_url("/", selection),
            "feed_url": site.build_selection_url("/meldungen.json", selection),
            "language": "de",
            "authors": [{"name": site.county.name}],
            "items": items,
        }
    )


def build_linked_data(site: ArchiveSite, archive: Archive, entry: ArchiveEntry) -> dict[str, Any] | None:
    """Return the entry as schema.org's Event or SpecialAnnouncement; None if it was withdrawn or replaced."""
    if archive.get_state(entry) in (EntryState.WITHDRAWN, EntryState.REPLACED):
        return None
    places = entry.municipalities or (site.county.name,)
    common: dict[str, Any] = {
        "@context": "https://schema.org",
        "name": entry.headline,
        "url": site.build_entry_url(entry.code),
        **({"image": entry.picture} if entry.picture else {}),
    }
    publisher = {"@type": "GovernmentOrganization", "name": site.county.name, "url": site.build_url("/")}
    time = find_event_time(entry.text, entry.published_at) if entry.topic in site.event_topics else None
    if time:
        return {
            **common,
            "@type": "Event",
            "description": entry.text,
            "startDate": time.begin.isoformat(),
            **({"endDate": time.end.isoformat()} if time.end else {}),
            "eventStatus": "https://schema.org/EventScheduled",
            "location": {"@type": "Place", "name": ", ".join(places), "address": ", ".join(places)},
            "organizer": publisher,
            **({"sameAs": entry.link} if entry.link else {}),
        }
    return {
        **common,
        "@type": "SpecialAnnouncement",
        "text": entry.text,
        "datePosted": entry.published_at.isoformat(),
        "expires": entry.expires_at.isoformat(),
        "category": site.get_topic(entry),
        "spatialCoverage": [{"@type": "AdministrativeArea", "name": place} for place in places],
        "publisher": publisher,
        **({"newsUpdatesAndGuidelines": entry.link} if entry.link else {}),
    }


def _list_newest(archive: Archive, selection: ArchiveSelection) -> Sequence[ArchiveEntry]:
    return archive.select(selection)[:MAX_FEED_ENTRIES]


def _list_tags(site: ArchiveSite, entry: ArchiveEntry) -> list[str]:
    return [site.get_topic(entry), *entry.municipalities]


def _add(parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    """Add an element, without characters that XML does not allow."""
    element = ElementTree.SubElement(parent, name, {key: _NOT_XML.sub("", value) for key, value in attributes.items()})
    element.text = None if text is None else _NOT_XML.sub("", text)
    return element


def _add_atom(
    parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    return _add(parent, f"{{{_ATOM}}}{name}", text, **attributes)


def _encode(root: ElementTree.Element) -> bytes:
    encoded: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded
