"""Sources: a feed on the web, and alerts in files of a folder or on the web."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from msgspec.structs import replace

from services.feeds.cap.decisions import FindStatus, evaluate_alerts
from services.feeds.cap.links import build_broken_entry, find_alert_links, is_to_be_fetched
from services.feeds.cap.parser import MAX_BYTES, Alert, NotAnAlert, is_alert, read_alert
from services.feeds.configuration import AlertOrigin, FeedOrigin, FirstPoll
from services.feeds.decisions import MAX_DRAFTS, PollOutcome, PublisherIdentity, evaluate_feed
from services.feeds.fetching import Fetched, Fetcher, FetchFailed
from services.feeds.rss import Feed, NotAFeed, read_feed
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
FETCHES_AT_ONCE = 8
LINKS_TIMEOUT_SECONDS = 60.0

_log = structlog.get_logger()


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
class AlertFileSource:
    """Implementation of polling.PollSource for a file or a folder, read again when a file in it has changed."""

    origin: AlertOrigin
    path: Path
    publisher: PublisherIdentity
    clock: Clock
    find_status: FindStatus

    async def __call__(self, memory: OriginState) -> PollOutcome | None:
        try:
            files = self._list_files()
            state = _hash_files(files)
            if memory.polled and memory.etag == state:
                return None
            found = await asyncio.to_thread(self._read, files)
        except OSError as error:
            raise FetchFailed("files", f"{self.path}: {error.strerror}") from None
        publisher = self.publisher.with_time(self.clock())
        outcome = evaluate_alerts(self.origin, memory, found.alerts, publisher, self.find_status)
        outcome.counts += found.counts
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
class AlertWebSource:
    """Implementation of polling.PollSource for the URL of an alert, or of a feed that links to alerts on its host.

    Links are fetched for at most `seconds`; those in `failed` could not be read last time, and come after the others.
    """

    origin: AlertOrigin
    address: str
    fetcher: Fetcher
    publisher: PublisherIdentity
    clock: Clock
    find_status: FindStatus
    seconds: float = LINKS_TIMEOUT_SECONDS
    failed: set[str] = field(default_factory=set)

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
            links = self._find_links(feed, fetched.address, found)
            entries, complete = await self._follow(links, memory, found)
        publisher, known = self.publisher.with_time(self.clock()), replace(memory, entries=entries)
        outcome = evaluate_alerts(self.origin, known, found.alerts, publisher, self.find_status)
        outcome.counts += found.counts
        if complete:  # otherwise it has to be read again although it has not changed
            outcome.memory = with_validators(outcome.memory, self.address, fetched)
        return outcome

    async def _read_feed(self, body: bytes, content_type: str, address: str) -> Feed:
        try:
            return await asyncio.to_thread(read_feed, body, content_type=content_type, address=address)
        except NotAFeed as error:
            raise FetchFailed("not_a_feed", str(error)) from None

    def _find_links(self, feed: Feed, address: str, found: _ReadAlerts) -> dict[str, str]:
        links, foreign = find_alert_links(feed.entries, (self.address, address))
        if foreign:
            found.counts["foreign_link"] += foreign
            _log.warning("alert_links_foreign", name=self.origin.name, number=foreign)
        return links

    async def _follow(
        self, links: Mapping[str, str], memory: OriginState, found: _ReadAlerts
    ) -> tuple[dict[str, KnownEntry], bool]:
        """Fetch linked alerts that are new or have changed; return the known links, and whether none is left to fetch.

        Failed fetches are repeated at the next poll, and for some hours those of what is no alert.
        """
        known, now = dict(memory.entries), self.clock()
        keys = {link: hash_parts(link) for link in links}
        new = [link for link, key in keys.items() if is_to_be_fetched(known.get(key), links[link])]
        if not memory.polled and self.origin.first_poll is FirstPoll.MARK:
            found.counts["marked"] += len(new)
            read = dict.fromkeys(new, True)
        else:
            read = await self._fetch_all(new, found)
        for link, key in keys.items():
            if link not in new or read.get(link):
                put_last(known, key, KnownEntry(digest=links[link], seen=now.date()))
            elif link in read:
                put_last(known, key, build_broken_entry(known.get(key), links[link], now))
        left = (is_to_be_fetched(known.get(key), links[link]) for link, key in keys.items())
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
