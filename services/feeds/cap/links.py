"""Links from a feed to alerts: which are followed, and when one is fetched again."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from yarl import URL

from services.feeds.rss import FeedEntry
from services.feeds.state import KnownEntry, hash_parts

ALERT_TYPE = "application/cap+xml"
BROKEN_RETRY = timedelta(hours=6)


def find_alert_links(entries: Iterable[FeedEntry], addresses: Iterable[str]) -> tuple[dict[str, str], int]:
    """Return the link to each entry's alert, with a digest that changes with the entry, and the number of foreign ones.

    A foreign one is not on a host of the feed's `addresses`: a feed must not redirect us elsewhere.
    """
    hosts = set(filter(None, map(_parse_host, addresses)))
    found: dict[str, str] = {}
    foreign = 0
    for entry in entries:
        links = [link for link in entry.links if link.type == ALERT_TYPE] or entry.links
        link = next((link.address for link in links if _parse_host(link.address) in hosts), None)
        if link is not None:
            found[link] = hash_parts(
                found.get(link, ""), entry.id, entry.title, str(entry.published), str(entry.updated)
            )
        elif links:
            foreign += 1
    return found, foreign


def is_to_be_fetched(known: KnownEntry | None, digest: str) -> bool:
    """Return whether a link is new, has changed, or led to something else. An earlier version stored no digest."""
    return known is None or known.digest not in ("", digest) or known.broken_since is not None


def build_broken_entry(known: KnownEntry | None, digest: str, now: datetime) -> KnownEntry:
    """Build the entry of a link that leads to something else; it is fetched again for BROKEN_RETRY.

    A website that is being maintained may answer so, for an alert that has just been published.
    """
    since = known.broken_since if known is not None and known.digest == digest else None
    is_given_up = since is not None and now - since >= BROKEN_RETRY
    return KnownEntry(digest=digest, seen=now.date(), broken_since=None if is_given_up else since or now)


def _parse_host(address: str) -> tuple[str, int | None] | None:
    """Return host and port, None as port if it is the usual one; None if it is no address on the web."""
    try:
        url = URL(address)
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.raw_host:
        return None
    return url.raw_host.lower().rstrip("."), None if url.is_default_port() else url.port
