"""Parser for RSS and Atom feeds."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from html import escape
from typing import NamedTuple
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from services.feeds.content import extract_text
from services.feeds.xml_reader import XmlRefused, read_sloppy_xml

MAX_ENTRIES = 1000
MAX_TEXT_LENGTH = 10_000
MAX_DATE_LENGTH = 100
_NO_DATE = datetime.max.replace(tzinfo=UTC)

_ATOM = ("{http://www.w3.org/2005/Atom}", "{http://purl.org/atom/ns#}")
_RSS = (
    "",
    "{http://purl.org/rss/1.0/}",
    "{http://my.netscape.com/rdf/simple/0.9/}",
    "{http://channel.netscape.com/rdf/simple/0.9/}",
    "{http://backend.userland.com/rss2}",
)
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_DC = ("{http://purl.org/dc/elements/1.1/}", "{http://purl.org/dc/terms/}")
_CONTENT = ("{http://purl.org/rss/1.0/modules/content/}",)
_MEDIA = ("{http://search.yahoo.com/mrss/}",)
_CORE = (*_RSS, *_ATOM)
_PAGE_TYPES = ("", "text/html", "application/xhtml+xml")
_PICTURE_TYPES = ("image/jpeg", "image/png")
_WEB_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+)?html\b", re.IGNORECASE)


class NotAFeed(ValueError):
    """Raised when the document is not a feed; the text says why."""


class Link(NamedTuple):
    """Target of a link, with its media type and relation if the entry contains them."""

    address: str
    type: str
    relation: str = "alternate"


@dataclass(frozen=True, kw_only=True)
class FeedEntry:
    """One entry; `id` stays the same when the entry changes.

    Title and summary are plain text in one line; the link is not validated.
    """

    id: str
    title: str
    summary: str = ""
    link: str | None = None
    picture: str | None = None
    categories: tuple[str, ...] = ()
    published: datetime | None = None
    updated: datetime | None = None
    expires: datetime | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The valid entries in the order of the feed, each id once; `broken` counts the others.

    `surplus` counts the oldest entries beyond MAX_ENTRIES, which are left out.
    """

    entries: tuple[FeedEntry, ...]
    broken: int = 0
    surplus: int = 0


def read_feed(body: bytes, *, content_type: str = "", address: str = "") -> Feed:
    """Parse RSS 0.9 to 2.0 or Atom, up to the first syntax error. Raises NotAFeed. Call it in a thread.

    `address` is the feed's URL, the base of relative links.
    """
    if _WEB_PAGE.match(body):
        raise NotAFeed("it is a web page, not a feed")
    try:
        document = read_sloppy_xml(body, _parse_charset(content_type))
    except XmlRefused as error:
        raise NotAFeed(str(error)) from None
    base = _join_url(address, document.root.get(_BASE))
    entries: dict[str, FeedEntry] = {}
    broken = 0
    for element in _find_elements(document.root):
        is_whole = not any(element is unfinished for unfinished in document.unfinished)
        entry = _parse_entry(element, base) if is_whole else None
        if entry is None:
            broken += 1
        else:
            entries.setdefault(entry.id, entry)
    newest = _keep_newest(tuple(entries.values()))
    return Feed(entries=newest, broken=broken, surplus=len(entries) - len(newest))


def _keep_newest(entries: tuple[FeedEntry, ...]) -> tuple[FeedEntry, ...]:
    """Return the newest entries in their order; undated ones count as newest, in the order of the feed."""
    if len(entries) <= MAX_ENTRIES:
        return entries
    indexes = sorted(range(len(entries)), key=lambda index: entries[index].published or _NO_DATE, reverse=True)
    return tuple(entries[index] for index in sorted(indexes[:MAX_ENTRIES]))


def _parse_charset(content_type: str) -> str | None:
    header = Message()
    header["Content-Type"] = content_type
    try:
        return header.get_content_charset()
    except (ValueError, TypeError):
        return None  # the library fails on malformed parameter continuations


def _find_elements(root: Element) -> Iterator[Element]:
    """Yield the elements of the entries. Raises NotAFeed."""
    if root.tag in [f"{namespace}feed" for namespace in _ATOM]:
        return _find_children(root, "entry", _ATOM)
    if root.tag == f"{_RDF}RDF":
        return _find_children(root, "item", _RSS)
    if root.tag in [f"{namespace}rss" for namespace in _RSS]:
        channels = _find_children(root, "channel", _RSS)
        return (item for parent in (root, *channels) for item in _find_children(parent, "item", _RSS))
    raise NotAFeed("it is neither RSS nor Atom")


def _parse_entry(element: Element, base: str) -> FeedEntry | None:
    """Parse an entry; return None if it has no title or no identifier."""
    links = tuple(_parse_links(element, _join_url(base, element.get(_BASE))))
    link = _choose_page(links)
    identifier = _read_text(element, "guid", "id") or element.get(f"{_RDF}about") or link
    title = next(_read_lines(element, "title"), "")
    if not identifier or not title:
        return None
    summary = (*_read_lines(element, "description", "summary"), *_read_lines(element, "encoded", "content"))
    updated = _parse_time(element, "date", "updated", "modified")
    return FeedEntry(
        id=identifier,
        title=title,
        summary=next(iter(summary), ""),
        link=link,
        picture=next((link.address for link in links if link.relation == "picture"), None),
        categories=tuple(_parse_categories(element)),
        published=_parse_time(element, "pubDate", "published", "issued", "created") or updated,
        updated=updated,
        expires=_parse_time(element, "expirationDate"),
        links=tuple(link for link in links if link.relation != "picture"),
    )


def _parse_links(element: Element, base: str) -> Iterator[Link]:
    """Yield the links, from text in RSS and attributes in Atom; a picture is also yielded with relation `picture`."""
    for link in (
        *_find_children(element, "link"),
        *_find_children(element, "enclosure"),
        *_find_children(element, "content", _MEDIA),
    ):
        is_link_element = _strip_namespace(link) == "link"
        address = (link.get("href") or link.get("url") or (link.text if is_link_element else "") or "").strip()
        media_type = link.get("type", "").strip().lower()
        relation = link.get("rel", "alternate" if is_link_element else "enclosure")
        if address:
            yield Link(_join_url(base, address), media_type, relation)
        if address and relation == "enclosure" and media_type in _PICTURE_TYPES:
            yield Link(_join_url(base, address), media_type, "picture")
    guid = next(_find_children(element, "guid"), None)
    if guid is not None and guid.get("isPermaLink") != "false" and (guid.text or "").strip().startswith("http"):
        yield Link((guid.text or "").strip(), "")


def _choose_page(links: tuple[Link, ...]) -> str | None:
    alternates = [link for link in links if link.relation == "alternate"]
    return min(alternates, key=lambda link: link.type not in _PAGE_TYPES).address if alternates else None


def _parse_categories(element: Element) -> Iterator[str]:
    for category in (*_find_children(element, "category"), *_find_children(element, "subject", _DC)):
        word = (category.get("term") or category.get("label") or category.text or "").strip()
        if word:
            yield word


def _find_children(element: Element, name: str, namespaces: tuple[str, ...] = _CORE) -> Iterator[Element]:
    tags = {f"{namespace}{name}" for namespace in namespaces}
    return (child for child in element if child.tag in tags)


def _read_text(element: Element, *names: str, namespaces: tuple[str, ...] = _CORE) -> str:
    texts = ((child.text or "").strip() for name in names for child in _find_children(element, name, namespaces))
    return next(filter(None, texts), "")


def _read_lines(element: Element, *names: str) -> Iterator[str]:
    namespaces = (*_CORE, *_CONTENT)
    markups = (_read_markup(child) for name in names for child in _find_children(element, name, namespaces))
    return filter(None, (extract_text(markup)[:MAX_TEXT_LENGTH].rstrip() for markup in markups))


def _read_markup(element: Element) -> str:
    """Return the content as HTML: usually escaped text, otherwise child elements."""
    return "".join(_write_markup(element)) if len(element) else element.text or ""


def _write_markup(element: Element) -> Iterator[str]:
    yield escape(element.text or "")
    for child in element:
        yield f"<{_strip_namespace(child)}>"
        yield from _write_markup(child)
        yield f"</{_strip_namespace(child)}>{escape(child.tail or '')}"


def _strip_namespace(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _join_url(base: str, address: str | None) -> str:
    try:
        return urljoin(base, address or "")
    except ValueError:
        return ""


def _parse_time(element: Element, *names: str) -> datetime | None:
    """Parse the first valid date, as UTC if it has no offset; return None if there is none."""
    text = _read_text(element, *names, namespaces=(*_CORE, *_DC))[:MAX_DATE_LENGTH]
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            parsed = parse(text)
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None
