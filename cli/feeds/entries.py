"""What a feed says, whichever of its formats it is in."""

import calendar
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import feedparser

from cli.feeds.plain import plain_line

MOST_ENTRIES = 1000
_DECLARES = re.compile(rb"<!\s*(?:ENTITY|DOCTYPE[^>\[]*\[)", re.IGNORECASE)
_PICTURES = ("image/jpeg", "image/png")


class NotAFeed(ValueError):
    """Bytes in which no feed was found; the text says why."""


class Link(NamedTuple):
    """Where an entry leads to, and what is there as far as it says so."""

    address: str
    type: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry; `id` stays the same when it changes. Title and summary are plain lines, the address as it came."""

    id: str
    title: str
    summary: str = ""
    link: str | None = None
    picture: str | None = None
    categories: tuple[str, ...] = ()
    published: datetime | None = None
    expires: datetime | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The usable entries in the order of the feed, each id once; `broken` counts the others."""

    entries: tuple[Entry, ...]
    broken: int = 0
    format: str = ""


def read_feed(body: bytes, *, content_type: str = "", address: str = "") -> Feed:
    """RSS 0.9 to 2.0 and Atom, as far as they can be understood. Raises NotAFeed. Slow: run it in a thread.

    `address` is where it came from, for links that are relative to it.
    """
    if b"\x00" in body[:4] or _DECLARES.search(body.replace(b"\x00", b"")):
        raise NotAFeed("it declares entities or is not in an encoding of the web; neither belongs in a feed")
    # A stream, since the library takes a string that looks like an address or a file for one.
    headers = {"content-type": content_type, "content-location": address}
    found = feedparser.parse(
        io.BytesIO(body), response_headers={name: value for name, value in headers.items() if value}
    )
    if not found.get("version") and not found.get("entries"):
        raise NotAFeed("it is neither RSS nor Atom")
    return _feed(found.get("entries", [])[:MOST_ENTRIES], found.get("version") or "unknown")


def _feed(raw: Iterable[Mapping[str, Any]], version: str) -> Feed:
    entries: dict[str, Entry] = {}
    broken = 0
    for one in raw:
        entry = _entry(one)
        if entry is None:
            broken += 1
        else:
            entries.setdefault(entry.id, entry)
    return Feed(entries=tuple(entries.values()), broken=broken, format=version)


def _entry(raw: Mapping[str, Any]) -> Entry | None:
    """None if it has no title, or nothing by which it could be known again."""
    link = _text(raw, "link")
    identifier = _text(raw, "id") or link
    title = plain_line(_text(raw, "title"))
    if not identifier or not title:
        return None
    return Entry(
        id=identifier,
        title=title,
        summary=_summary(raw),
        link=link or None,
        picture=next(_pictures(raw), None),
        categories=tuple(filter(None, (_text(tag, "term") or _text(tag, "label") for tag in raw.get("tags", ())))),
        published=_moment(raw, "published_parsed") or _moment(raw, "updated_parsed"),
        expires=_moment(raw, "expired_parsed"),
        links=tuple(Link(_text(one, "href"), _text(one, "type")) for one in raw.get("links", ())),
    )


def _summary(raw: Mapping[str, Any]) -> str:
    contents = [_text(content, "value") for content in raw.get("content", ())]
    return next(filter(None, map(plain_line, (_text(raw, "summary"), *contents))), "")


def _pictures(raw: Mapping[str, Any]) -> Iterator[str]:
    for enclosure in (*raw.get("enclosures", ()), *raw.get("media_content", ())):
        if _text(enclosure, "type").lower() in _PICTURES:
            yield _text(enclosure, "href") or _text(enclosure, "url")


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return value.strip() if isinstance(value, str) else ""


def _moment(raw: Mapping[str, Any], name: str) -> datetime | None:
    """The library gives a struct_time in UTC; dates of other millennia are no dates."""
    # Not by the library's own get, which warns of what it makes up.
    value = dict(raw).get(name)
    try:
        return datetime.fromtimestamp(calendar.timegm(value), UTC) if value else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None
