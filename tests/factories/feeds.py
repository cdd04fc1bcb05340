"""Feeds, and the county that reads them."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import msgspec

from deploy.paths import CONFIG
from services.feeds.configuration import FeedOrigin
from services.feeds.decisions import MAX_DRAFTS, PollOutcome, PublisherIdentity, evaluate_feed
from services.feeds.rss import read_feed
from services.feeds.state import NoticeStatus, OriginState
from shared.contracts.envelope import Envelope, read_envelope
from shared.notices.configuration import Configuration, read_configuration

# One feed of a website; more settings of it may follow.
FEEDS_FILE = """
system = "feeds"
source = "/landkreis-osterholz/internetseite"
internal_hosts = ["127.0.0.1"]
[[feeds]]
name = "presse"
url = "{url}/presse"
topic = "strassensperrungen"
mode = "direct"
"""

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
COUNTY = read_configuration(CONFIG / "county.toml", Configuration)
SOURCE = "/landkreis-osterholz/internetseite"
UNPOLLED = OriginState()
IDENTITY = PublisherIdentity(system="feeds", source=SOURCE, county=COUNTY, now=NOW)


def build_item(number: int, **fields: str) -> str:
    """Return an item of RSS 2.0, without empty fields."""
    defaults = {
        "title": f"Meldung {number}",
        "link": f"https://www.landkreis-osterholz.de/meldungen/{number}",
        "guid": f"meldung-{number}",
        "description": f"<p>Text der Meldung {number}.</p>",
    }
    written = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in {**defaults, **fields}.items() if value)
    return f"<item>{written}</item>"


def build_rss(items: Iterable[str]) -> bytes:
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>x</title>{"".join(items)}</channel></rss>'.encode()


def build_sent_event(identifier: str, **fields: object) -> bytes:
    """Return an event as it lies in the folder of feeds."""
    event = {"specversion": "1.0", "id": identifier, "source": SOURCE, "type": "t", "data": {}}
    return msgspec.json.encode({**event, **fields})


def build_origin(**fields: Any) -> FeedOrigin:
    """Return a feed that is published directly, from its first poll on."""
    defaults: Mapping[str, Any] = {
        "name": "presse",
        "url": "https://www.landkreis-osterholz.de/presse.rss",
        "topic": "veranstaltungen",
        "mode": "direct",
        "first_poll": "publish",
    }
    return msgspec.convert({**defaults, **fields}, FeedOrigin)


def poll_feed(
    *items: str,
    memory: OriginState = UNPOLLED,
    now: datetime = NOW,
    drafts: Container[str] = (),
    max_drafts: int = MAX_DRAFTS,
    status: NoticeStatus = NoticeStatus.SENT,
    **origin: Any,
) -> PollOutcome:
    """Return the outcome of a poll by an origin with these fields; earlier pending events are dropped.

    `drafts` are the ids of those that wait, `status` is that of all earlier notices.
    """
    fresh, publisher = msgspec.structs.replace(memory, pending=()), replace(IDENTITY, now=now)
    feed = read_feed(build_rss(items))
    has_draft = drafts.__contains__
    return evaluate_feed(build_origin(**origin), fresh, feed, publisher, max_drafts, has_draft, lambda *_: status)


def list_events(outcome: PollOutcome) -> list[Envelope]:
    return [read_envelope(bytes(pending.event)) for pending in outcome.state.pending]


def list_kinds(outcome: PollOutcome) -> list[str]:
    """Return the kinds of the events: `published`, `updated` or `withdrawn`."""
    return [event.type.split(".")[3] for event in list_events(outcome)]


def read_data(envelope: Envelope) -> dict[str, Any]:
    """Return the data of an event, with defaults for omitted fields."""
    values: dict[str, Any] = msgspec.json.decode(envelope.data)
    return {"urgent": False, "municipalities": [], **values}
