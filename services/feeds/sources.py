"""Sources: a feed on the web, and alerts in files of a folder or on the web."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from msgspec.structs import replace

from services.feeds.cap.decisions import evaluate_alerts
from services.feeds.cap.parser import MAX_BYTES, Alert, NotAnAlert, is_alert, read_alert
from services.feeds.configuration import AlertOrigin, FeedOrigin, FirstPoll
from services.feeds.decisions import MAX_DRAFTS, PollOutcome, PublisherIdentity, evaluate_feed
from services.feeds.fetching import Fetched, Fetcher, FetchFailed
from services.feeds.rss import Feed, FeedEntry, NotAFeed, read_feed
from services.feeds.state import KnownEntry, OriginState, hash_parts, put_last
from shared.runtime.clock import Clock


@dataclass(frozen=True, kw_only=True)
class FeedSource:
    """Implementation of polling.PollSource for a feed; events are published as `publisher`.

    `count_drafts` returns how many drafts of the feed wait.
    """

    origin: FeedOrigin
    fetcher: Fetcher
    publisher: PublisherIdentity
    clock: Clock
    count_drafts: Callable[[], int]

    async def __call__(self, memory: OriginState) -> PollOutcome | None:
        fetched = await fetch_if_changed(self.fetcher, self.origin.url, memory)
        if fetched.body is None:
            return None
        try:
            # A large feed takes long; in a thread it does not block the others.
            feed = await asyncio.to_thread(
                read_feed, fetched.body, content_type=fetched.content_type, address=fetched.address
            )
        except NotAFeed as error:
            raise FetchFailed("not_a_feed", str(error)) from None
        outcome = await asyncio.to_thread(self._evaluate, memory, feed)
        outcome.memory = with_validators(outcome.memory, self.origin.url, fetched)
        return outcome

    def _evaluate(self, memory: OriginState, feed: Feed) -> PollOutcome:
        room = max(0, MAX_DRAFTS - self.count_drafts())
        return evaluate_feed(self.origin, memory, feed, self.publisher.with_time(self.clock()), room)


async def fetch_if_changed(fetcher: Fetcher, address: str, memory: OriginState) -> Fetched:
    """Fetch the address, only if it has changed since the last poll. Raises FetchFailed."""
    if memory.address != address:
        return await fetcher.fetch(address)
    return await fetcher.fetch(address, etag=memory.etag, last_modified=memory.last_modified)


def with_validators(memory: OriginState, address: str, fetched: Fetched) -> OriginState:
    return replace(memory, address=address, etag=fetched.etag, last_modified=fetched.last_modified)


PATTERNS = ("*.xml", "*.cap")
MAX_ALERTS_PER_POLL = 200
ALERT_TYPE = "application/cap+xml"

_log = structlog.get_logger()


@dataclass
class _ReadAlerts:
    """Alerts that could be read, and counts by reason of those that could not."""

    alerts: list[Alert] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, body: bytes, *, origin: str, where: str) -> None:
        try:
            self.alerts.append(read_alert(body))
        except NotAnAlert as error:
            self.counts["broken"] += 1
            _log.warning("alert_broken", name=origin, where=where, reason=str(error))


@dataclass(frozen=True, kw_only=True)
class AlertFileSource:
    """Implementation of polling.PollSource for a file or a folder, read again when a file in it has changed."""

    origin: AlertOrigin
    path: Path
    publisher: PublisherIdentity
    clock: Clock

    async def __call__(self, memory: OriginState) -> PollOutcome | None:
        try:
            files = self._list_files()
            state = _hash_files(files)
            if memory.polled and memory.etag == state:
                return None
            found = await asyncio.to_thread(self._read, files)
        except OSError as error:
            raise FetchFailed("files", f"{self.path}: {error.strerror}") from None
        outcome = evaluate_alerts(self.origin, memory, found.alerts, self.publisher.with_time(self.clock()))
        outcome.counts += found.counts
        outcome.memory = replace(outcome.memory, etag=state)
        return outcome

    def _list_files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        return sorted({file for pattern in PATTERNS for file in self.path.glob(pattern) if file.is_file()})

    def _read(self, files: Iterable[Path]) -> _ReadAlerts:
        found = _ReadAlerts()
        for file in files:
            with open(file, "rb") as opened:
                found.read(opened.read(MAX_BYTES + 1), origin=self.origin.name, where=file.name)
        return found


def _hash_files(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(f"{file.name}\0{status.st_mtime_ns}\0{status.st_size}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class AlertWebSource:
    """Implementation of polling.PollSource for the URL of an alert, or of a feed that links to alerts on its host."""

    origin: AlertOrigin
    address: str
    fetcher: Fetcher
    publisher: PublisherIdentity
    clock: Clock

    async def __call__(self, memory: OriginState) -> PollOutcome | None:
        fetched = await fetch_if_changed(self.fetcher, self.address, memory)
        if fetched.body is None:
            return None
        found, entries, complete = _ReadAlerts(), memory.entries, True
        if await asyncio.to_thread(is_alert, fetched.body):
            found.read(fetched.body, origin=self.origin.name, where="the address")
        else:
            feed = await self._read_feed(fetched.body, fetched.content_type, fetched.address)
            found.counts["broken"] += feed.broken
            entries, complete = await self._follow(feed.entries, memory, found)
        outcome = evaluate_alerts(
            self.origin, replace(memory, entries=entries), found.alerts, self.publisher.with_time(self.clock())
        )
        outcome.counts += found.counts
        if complete:  # otherwise it has to be read again although it has not changed
            outcome.memory = with_validators(outcome.memory, self.address, fetched)
        return outcome

    async def _read_feed(self, body: bytes, content_type: str, address: str) -> Feed:
        try:
            return await asyncio.to_thread(read_feed, body, content_type=content_type, address=address)
        except NotAFeed as error:
            raise FetchFailed("not_a_feed", str(error)) from None

    async def _follow(
        self, entries: Sequence[FeedEntry], memory: OriginState, found: _ReadAlerts
    ) -> tuple[dict[str, KnownEntry], bool]:
        """Fetch each new linked alert once; return the known links, and whether all new ones could be fetched.

        Failed fetches are repeated at the next poll.
        """
        known, today = dict(memory.entries), self.clock().date()
        links = dict.fromkeys(filter(None, (_find_alert_link(entry, self.address) for entry in entries)))
        new = [link for link in links if hash_parts(link) not in known]
        quietly = not memory.polled and self.origin.first_poll is FirstPoll.MARK
        fetched = new if quietly else [link for link in new[:MAX_ALERTS_PER_POLL] if await self._fetch(link, found)]
        if quietly:
            found.counts["marked"] += len(new)
        seen = [link for link in links if hash_parts(link) in known]
        for link in (*seen, *fetched):
            put_last(known, hash_parts(link), KnownEntry(digest="", seen=today))
        return known, len(fetched) == len(new)

    async def _fetch(self, link: str, found: _ReadAlerts) -> bool:
        try:
            fetched = await self.fetcher.fetch(link)
        except FetchFailed as error:
            found.counts["unreachable"] += 1
            _log.warning("alert_unreachable", name=self.origin.name, reason=error.reason)
            return False
        found.read(fetched.body or b"", origin=self.origin.name, where="a link")
        return True


def _find_alert_link(entry: FeedEntry, address: str) -> str | None:
    """Return the link to the entry's alert if it is on the host of the feed: a feed must not redirect us elsewhere."""
    links = sorted(entry.links, key=lambda link: link.type != ALERT_TYPE)
    wanted = (link.address for link in links)
    return next((link for link in wanted if _parse_host(link) and _parse_host(link) == _parse_host(address)), None)


def _parse_host(address: str) -> str | None:
    try:
        return urlsplit(address).netloc or None
    except ValueError:
        return None
