"""Content of a notice within the limits of our rules, from texts of any length."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from services.feeds.html_to_text import truncate_text
from shared.contracts.notices import NoticeContent
from shared.notices.configuration import Configuration
from shared.notices.links import replace_foreign_hosts
from shared.notices.rules import MAX_CONTENT_LENGTH

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
    """Build the content: shorten at word boundaries, omit what the county's file forbids (a foreign link, say)."""
    known = county.find_topic(topic)
    headline, text = (replace_foreign_hosts(words, county.link_hosts) for words in (headline, text))
    return NoticeContent(
        topic=topic,
        headline=truncate_text(headline, MAX_HEADLINE_LENGTH),
        text=truncate_text(text or headline, compute_text_room(headline, link, county)),
        link=validate_link(link, county),
        picture=validate_link(picture, county) if known and known.picture_template else None,
        municipalities=tuple(municipalities) if known and known.local else (),
        urgent=urgent,
        follows=follows,
    )


def compute_text_room(headline: str, link: str | None, county: Configuration) -> int:
    """Return how many characters of text fit beside headline and link."""
    title, address = truncate_text(headline, MAX_HEADLINE_LENGTH), validate_link(link, county) or ""
    return min(MAX_TEXT_LENGTH, MAX_CONTENT_LENGTH - len(title) - len(address))


def validate_link(address: str | None, county: Configuration) -> str | None:
    """Return the link if it is allowed in a notice, otherwise None."""
    if not address or len(address) > MAX_URL_LENGTH or not address.isprintable() or " " in address:
        return None
    try:
        parts = urlsplit(address)
        plain = parts.username is None and parts.password is None and parts.port in (None, 443)
    except ValueError:
        return None
    return address if plain and parts.scheme == "https" and parts.hostname in county.link_hosts else None
