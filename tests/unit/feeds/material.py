"""Feeds, and the county that they are read for."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import msgspec

from cli.feeds.configuration import FeedOrigin
from cli.feeds.deciding import Outcome, Place, decide
from cli.feeds.entries import read_feed
from cli.feeds.memory import Memory
from deploy.local.environments import CONFIG
from shared.contracts.envelope import Envelope, read_envelope
from shared.municipal.configuration import Configuration
from shared.municipal.file import read_configuration

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
COUNTY = read_configuration(CONFIG / "county.toml", Configuration)
SOURCE = "/landkreis-osterholz/internetseite"
PLACE = Place(system="feeds", source=SOURCE, county=COUNTY, now=NOW)


def item(number: int, **fields: str) -> str:
    """One item of RSS 2.0; a field that is empty is left out."""
    usual = {
        "title": f"Meldung {number}",
        "link": f"https://www.landkreis-osterholz.de/meldungen/{number}",
        "guid": f"meldung-{number}",
        "description": f"<p>Text der Meldung {number}.</p>",
    }
    written = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in {**usual, **fields}.items() if value)
    return f"<item>{written}</item>"


def rss(items: Iterable[str]) -> bytes:
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>x</title>{"".join(items)}</channel></rss>'.encode()


def origin(**fields: Any) -> FeedOrigin:
    """A feed that is published directly, from its first poll on."""
    usual: Mapping[str, Any] = {
        "name": "presse",
        "url": "https://www.landkreis-osterholz.de/presse.rss",
        "topic": "veranstaltungen",
        "mode": "direct",
        "first_poll": "publish",
    }
    return msgspec.convert({**usual, **fields}, FeedOrigin)


def polled(feed: FeedOrigin, memory: Memory, *items: str, now: datetime = NOW) -> Outcome:
    """What a poll decides, and what is pending only of it."""
    return decide(feed, msgspec.structs.replace(memory, pending=()), read_feed(rss(items)), PLACE.at(now))


def events(outcome: Outcome) -> list[Envelope]:
    return [read_envelope(bytes(pending.event)) for pending in outcome.memory.pending]


def data(envelope: Envelope) -> dict[str, Any]:
    """What the event says, with what it leaves out because it is usual."""
    said: dict[str, Any] = msgspec.json.decode(envelope.data)
    return {"urgent": False, "municipalities": [], **said}
