"""Content of a notice within the limits of our rules: conversion of HTML to one line of text for WhatsApp."""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator

from shared.contracts.notices import NoticeContent
from shared.contracts.text import count_units
from shared.notices.configuration import Configuration
from shared.notices.links import replace_foreign_hosts
from shared.notices.rules import MAX_CONTENT_LENGTH, validate_url

_HIDDEN = frozenset({"script", "style", "template", "noscript", "head", "title"})
_INLINE = frozenset(
    {"a", "abbr", "b", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub", "sup", "u", "wbr"}
)
_BIDIRECTIONAL = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNWANTED = frozenset({"Cc", "Cs", "Co", "Cn"})
_BRACES = re.compile(r"\{{2,}|\}{2,}")
ELLIPSIS = "…"


# Every alternative matches at the latest at the end of the text, so that any markup is scanned in a single pass.
_TAG = re.compile(
    r"""<!--(?:-?>|.*?(?:--!?>|\Z))|<[!?][^>]*+>?|"""
    r"""<(?P<end>/?)(?P<name>[a-z][^\s/>]*+)(?:[^>"']++|"[^"]*+"|'[^']*+'|["'])*+>?""",
    re.IGNORECASE | re.DOTALL,
)
_RAW_ENDS = {name: re.compile(rf"</{name}|\Z", re.IGNORECASE) for name in ("script", "style")}
_LARGE_NUMBER = re.compile(r"&#x?[0-9a-f]{7,}+;?", re.IGNORECASE)


def extract_text(markup: str) -> str:
    """Return the text of HTML (or plain text) in one line, without characters that WhatsApp or our rules refuse."""
    return normalize_line("".join(_extract_parts(markup)))


def _extract_parts(markup: str) -> Iterator[str]:
    """Yield the visible text, with a space at the start and end of blocks."""
    last = markup.rfind(">") + 1  # no tag after it, but perhaps a less-than sign
    position = hidden = 0
    while tag := _TAG.search(markup, position, last):
        if not hidden:
            yield _decode_entities(markup[position : tag.start()])
        position, name = tag.end(), (tag["name"] or "").lower()
        if name in _HIDDEN and not tag[0].endswith("/>"):
            hidden = max(0, hidden - 1) if tag["end"] else hidden + 1
            position = _find_raw_end(markup, position, name) if not tag["end"] else position
        elif name and name not in _INLINE and not hidden:
            yield " "
    if not hidden:
        yield _decode_entities(markup[position:])


def _find_raw_end(markup: str, position: int, name: str) -> int:
    match = _RAW_ENDS[name].search(markup, position) if name in _RAW_ENDS else None
    return match.start() if match else position


def _decode_entities(text: str) -> str:
    """Decode entities; replace numeric ones that are too large for a character."""
    return html.unescape(_LARGE_NUMBER.sub("\ufffd", text))


def normalize_line(text: str) -> str:
    """Collapse white space into single spaces; remove control characters and repeated braces of placeholders.

    Returns an empty string if nothing visible is left.
    """
    line = " ".join("".join(_replace_character(character) for character in text).split())
    if all(character == " " or unicodedata.category(character) == "Cf" for character in line):
        return ""
    return _BRACES.sub(lambda match: match[0][0], line)


def _replace_character(character: str) -> str:
    if character.isspace():
        return " "
    if character in _BIDIRECTIONAL or unicodedata.category(character) in _UNWANTED:
        return ""
    return character


def truncate_text(text: str, max_length: int) -> str:
    """Shorten to at most `max_length` UTF-16 units: an ellipsis after a whole word; a word that is too long is cut."""
    if count_units(text) <= max_length:
        return text
    room = max_length - len(ELLIPSIS)
    if room <= 0:
        return ELLIPSIS[:max_length]
    limit = len(text.encode("utf-16-le", "surrogatepass")[: 2 * room].decode("utf-16-le", "ignore"))
    shortened = text[:limit] if text[limit : limit + 1] == " " else _cut_at_word(text[:limit])
    return shortened.rstrip(" ,;:–-") + ELLIPSIS


def _cut_at_word(text: str) -> str:
    words, space, _ = text.rpartition(" ")
    return words if space and len(words) > len(text) // 2 else text


MAX_HEADLINE_LENGTH = 120
MAX_TEXT_LENGTH = 800
MAX_URL_LENGTH = 200


def build_content(
    *,
    topic: str,
    headline: str,
    text: str,
    link: str | None,
    picture: str | None = None,
    municipalities: Iterable[str] = (),
    urgent: bool = False,
    follows: str | None = None,
    county: Configuration,
) -> NoticeContent:
    """Build the content: shorten texts, and omit what the county's file does not permit, such as a foreign link."""
    topic_settings = county.find_topic(topic)
    headline, text = (replace_foreign_hosts(part, county.link_hosts) for part in (headline, text))
    return NoticeContent(
        topic=topic,
        headline=truncate_text(headline, MAX_HEADLINE_LENGTH),
        text=truncate_text(text or headline, compute_text_room(headline, link, county)),
        link=validate_link(link, county),
        picture=validate_link(picture, county) if topic_settings and topic_settings.picture_template else None,
        municipalities=tuple(municipalities) if topic_settings and topic_settings.local else (),
        urgent=urgent,
        follows=follows,
    )


def compute_text_room(headline: str, link: str | None, county: Configuration) -> int:
    """Return the number of UTF-16 units that headline and link leave for the text."""
    title, address = truncate_text(headline, MAX_HEADLINE_LENGTH), validate_link(link, county) or ""
    return min(MAX_TEXT_LENGTH, MAX_CONTENT_LENGTH - count_units(title + address))


def validate_link(address: str | None, county: Configuration) -> str | None:
    """Return the link if it is permitted in a notice, otherwise None."""
    if not address or not address.startswith("https://") or " " in address or len(address) > MAX_URL_LENGTH:
        return None
    return None if any(validate_url("link", address, county)) else address
