"""A notice's content within the limits of our rules, from words of any length."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from cli.feeds.plain import shortened
from shared.contracts.notices import NoticeContent
from shared.municipal.configuration import Configuration
from shared.municipal.content import LONGEST_CONTENT
from shared.municipal.links import omit_foreign_hosts

LONGEST_HEADLINE = 120
LONGEST_TEXT = 800
LONGEST_ADDRESS = 200


def content_of(
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
    """Shortened after whole words; what the county's file does not permit (a foreign link, say) is left out."""
    known = county.topic(topic)
    headline, text = (omit_foreign_hosts(words, county.link_hosts) for words in (headline, text))
    return NoticeContent(
        topic=topic,
        headline=shortened(headline, LONGEST_HEADLINE),
        text=shortened(text or headline, text_room(headline, link, county)),
        link=permitted_address(link, county),
        picture=permitted_address(picture, county) if known and known.picture_template else None,
        municipalities=tuple(municipalities) if known and known.local else (),
        urgent=urgent,
        follows=follows,
    )


def text_room(headline: str, link: str | None, county: Configuration) -> int:
    """How many characters of text fit beside them."""
    title, address = shortened(headline, LONGEST_HEADLINE), permitted_address(link, county) or ""
    return min(LONGEST_TEXT, LONGEST_CONTENT - len(title) - len(address))


def permitted_address(address: str | None, county: Configuration) -> str | None:
    """The address if it may stand in a notice."""
    if not address or len(address) > LONGEST_ADDRESS or not address.isprintable() or " " in address:
        return None
    try:
        parts = urlsplit(address)
        plain = parts.username is None and parts.password is None and parts.port in (None, 443)
    except ValueError:
        return None
    return address if plain and parts.scheme == "https" and parts.hostname in county.link_hosts else None
