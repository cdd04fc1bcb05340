"""Sources: a feed on the web, and alerts in files of a folder or on the web."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from msgspec.structs import replace
from yarl import URL

from services.feeds.cap.decisions import FindStatus, evaluate_alerts
from services.feeds.cap.parser import MAX_BYTES, Alert, NotAnAlert, is_alert, read_alert
from services.feeds.configuration import AlertOrigin, FeedOrigin, FirstPoll
from services.feeds.decisions import MAX_DRAFTS, PollOutcome, PublisherIdentity, evaluate_feed
from services.feeds.fetching import Fetched, Fetcher, FetchFailed
from services.feeds.rss import Feed, FeedEntry, NotAFeed, read_feed
from services.feeds.state import KnownEntry, OriginState, hash_parts, put_last

PATTERNS = ("*.xml", "*.cap")
MAX_ALERTS_PER_POLL = 200
FETCHES_AT_ONCE = 8
LINKS_TIMEOUT_SECONDS = 60.0
ALERT_TYPE = "application/cap+xml"
BROKEN_RETRY = timedelta(hours=6)
Identify = Callable[[], PublisherIdentity]  # with the present time

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class FeedSource:
    """Implementation of polling.PollSource for a feed; `count_drafts` returns how many drafts of it wait."""

    origin: FeedOrigin
    fetcher: Fetcher
    identify: Identify
    count_drafts: Callable[[], int]

    async def __call__(self, memory: OriginState) -> PollOutcome | None:
        fetched = await _fetch_if_changed(self.fetcher, self.origin.url, memory)
        if fetched.body is None:
            return None
        feed = await _read_feed(fetched.body, fetched)
        outcome = await asyncio.to_thread(self._evaluate, memory, feed)
        outcome.memory = _with_validators(outcome.memory, self.origin.url, fetched)
        return outcome

    def _evaluate(self, memory: OriginState, feed: Feed) -> PollOutcome:
        room = max(0, MAX_DRAFTS - self.count_drafts())
        return evaluate_feed(self.origin, memory, feed, self.identify(), room)


async def _read_feed(body: bytes, fetched: Fetched) -> Feed:
    """Parse the body in a thread, as a large feed takes long. Raises FetchFailed."""
    try:
        return await asyncio.to_thread(read_feed, body, content_type=fetched.content_type, address=fetched.address)
    except NotAFeed as error:
        raise FetchFailed("not_a_feed", str(error)) from None


async def _fetch_if_changed(fetcher: Fetcher, address: str, memory: OriginState) -> Fetched:
    """Fetch the address, only if it has changed since the last poll. Raises FetchFailed."""
    if memory.address != address:
        return await fetcher.fetch(address)
    return await fetcher.fetch(address, etag=memory.etag, last_modified=memory.last_modified)


def _with_validators(memory: OriginState, address: str, fetched: Fetched) -> OriginState:
    return replace(memory, address=address, etag=fetched.etag, last_modified=fetched.last_modified)


@dataclass
class _ReadAlerts:
    """Alerts that could be read, and counts by reason of those that could not."""

    alerts: list[Alert] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, body: bytes, *, origin: str, where: str) -> bool:
        """Read an alert; return whether it is one."""
        try:
            self.alerts.append(read_alert(body))
        except NotAnAlert as error:
            self.counts["broken"] += 1
            _log.warning("alert_broken", name=origin, where=where, reason=str(error))
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class _AlertSource:
    """Common part of sources of alerts; implementations of polling.PollSource."""

    origin: AlertOrigin
    identify: Identify
    find_status: FindStatus

    def _evaluate(self, memory: OriginState, found: _ReadAlerts) -> PollOutcome:
        outcome = evaluate_alerts(self.origin, memory, found.alerts, self.identify(), self.find_status)
        outcome.counts += found.counts
        return outcome


@dataclass(frozen=True, kw_only=True)
class AlertFileSource(_AlertSource):
    """A file or a folder, read again when a file in it has changed."""

    path: Path

    async def __call__(self, memory: OriginState) -> PollOutcome | None:
        try:
            files = self._list_files()
            state = _hash_files(files)
            if memory.polled and memory.etag == state:
                return None
            found = await asyncio.to_thread(self._read, files)
        except OSError as error:
            raise FetchFailed("files", f"{self.path}: {error.strerror}") from None
        outcome = self._evaluate(memory, found)
        if not found.counts["unreadable"]:  # otherwise it has to be read again: permissions do not change this state
            outcome.memory = replace(outcome.memory, etag=state)
        return outcome

    def _list_files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        return sorted({file for pattern in PATTERNS for file in self.path.glob(pattern) if file.is_file()})

    def _read(self, files: Iterable[Path]) -> _ReadAlerts:
        """Read the files; leave out those of a folder that cannot be read."""
        found = _ReadAlerts()
        for file in files:
            try:
                with open(file, "rb") as opened:
                    body = opened.read(MAX_BYTES + 1)
            except OSError as error:
                if file == self.path:
                    raise
                found.counts["unreadable"] += 1
                _log.warning("alert_unreadable", name=self.origin.name, where=file.name, reason=error.strerror)
            else:
                found.read(body, origin=self.origin.name, where=file.name)
        return found


def _hash_files(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with suppress(OSError):  # it is told when it is read
            status = file.stat()
            digest.update(f"{file.name}\0{status.st_mtime_ns}\0{status.st_size}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class AlertWebSource(_AlertSource):
    """The URL of an alert, or of a feed that links to alerts on its host.

    Links are fetched for at most `seconds`; those in `failed` could not be read last time, and come after the others.
    """

    address: str
    fetcher: Fetcher
    seconds: float = LINKS_TIMEOUT_SECONDS
    failed: set[str] = field(default_factory=set)

    async def __call__(self, memory: OriginState) -> PollOutcome | None:
        fetched = await _fetch_if_changed(self.fetcher, self.address, memory)
        if fetched.body is None:
            return None
        found, entries, complete = _ReadAlerts(), memory.entries, True
        if await asyncio.to_thread(is_alert, fetched.body):
            found.read(fetched.body, origin=self.origin.name, where="the address")
        else:
            feed = await _read_feed(fetched.body, fetched)
            found.counts["broken"] += feed.broken
            links, foreign = find_alert_links(feed.entries, (self.address, fetched.address))
            if foreign:
                found.counts["foreign_link"] += foreign
                _log.warning("alert_links_foreign", name=self.origin.name, number=foreign)
            entries, complete = await self._follow(links, memory, found)
        outcome = self._evaluate(replace(memory, entries=entries), found)
        if complete:  # otherwise it has to be read again although it has not changed
            outcome.memory = _with_validators(outcome.memory, self.address, fetched)
        return outcome

    async def _follow(
        self, links: Mapping[str, str], memory: OriginState, found: _ReadAlerts
    ) -> tuple[dict[str, KnownEntry], bool]:
        """Fetch linked alerts that are new or have changed; return the known links, and whether none is left to fetch.

        Failed fetches are repeated at the next poll, and for some hours those of what is no alert.
        """
        known, now = dict(memory.entries), self.identify().now
        keys = {link: hash_parts(link) for link in links}
        new = [link for link, key in keys.items() if _is_to_be_fetched(known.get(key), links[link])]
        if not memory.polled and self.origin.first_poll is FirstPoll.MARK:
            found.counts["marked"] += len(new)
            read = dict.fromkeys(new, True)
        else:
            read = await self._fetch_all(new, found)
        for link, key in keys.items():
            if link not in new or read.get(link):
                put_last(known, key, KnownEntry(digest=links[link], seen=now.date()))
            elif link in read:
                put_last(known, key, _build_broken_entry(known.get(key), links[link], now))
        left = (_is_to_be_fetched(known.get(key), links[link]) for link, key in keys.items())
        return known, not any(left)

    async def _fetch_all(self, links: Collection[str], found: _ReadAlerts) -> dict[str, bool]:
        """Fetch several links at once, as far as time allows; return for those fetched whether each is an alert."""
        self.failed.intersection_update(links)
        wanted = sorted(links, key=lambda link: link in self.failed)[:MAX_ALERTS_PER_POLL]
        read: dict[str, bool] = {}
        slots = asyncio.Semaphore(FETCHES_AT_ONCE)

        async def fetch(link: str) -> None:
            async with slots:
                self.failed.add(link)
                body = await self._fetch(link)
            if body is not None:
                read[link] = found.read(body, origin=self.origin.name, where="a link")
            if read.get(link):
                self.failed.remove(link)

        with suppress(TimeoutError):
            async with asyncio.timeout(self.seconds), asyncio.TaskGroup() as tasks:
                for link in wanted:
                    tasks.create_task(fetch(link))
        found.counts["unreachable"] += len(wanted) - len(read)
        return read

    async def _fetch(self, link: str) -> bytes | None:
        try:
            fetched = await self.fetcher.fetch(link)
        except FetchFailed as error:
            _log.warning("alert_unreachable", name=self.origin.name, reason=error.reason)
            return None
        return fetched.body or b""


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


def _is_to_be_fetched(known: KnownEntry | None, digest: str) -> bool:
    """Return whether a link is new, has changed, or led to something else. An earlier version stored no digest."""
    return known is None or known.digest not in ("", digest) or known.broken_since is not None


def _build_broken_entry(known: KnownEntry | None, digest: str, now: datetime) -> KnownEntry:
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
