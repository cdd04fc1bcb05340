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

from services.feeds.cap.decisions import evaluate_alerts
from services.feeds.cap.parser import MAX_BYTES, Alert, NotAnAlert, is_alert, read_alert
from services.feeds.configuration import AlertOrigin, FeedOrigin, FirstPoll
from services.feeds.decisions import MAX_DRAFTS, FindStatus, PollOutcome, PublisherIdentity, evaluate_feed
from services.feeds.fetching import Fetched, Fetcher, FetchFailed
from services.feeds.folder import StateFolder
from services.feeds.rss import Feed, FeedEntry, NotAFeed, read_feed
from services.feeds.state import KnownEntry, OriginState, hash_parts, put_last

PATTERNS = ("*.xml", "*.cap")
MAX_ALERTS_PER_POLL = 200
FETCHES_AT_ONCE = 8
LINKS_TIMEOUT_SECONDS = 60.0
ALERT_TYPE = "application/cap+xml"
BROKEN_RETRY = timedelta(hours=6)
Identify = Callable[[], PublisherIdentity]  # as of now

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class FeedSource:
    """Implementation of polling.PollSource for a feed; `folder` has its waiting drafts."""

    origin: FeedOrigin
    fetcher: Fetcher
    identify: Identify
    folder: StateFolder

    async def __call__(self, state: OriginState) -> PollOutcome | None:
        fetched = await _fetch_if_changed(self.fetcher, self.origin.url, state)
        if fetched.body is None:
            return None
        feed = await _read_feed(fetched.body, fetched)
        outcome = await asyncio.to_thread(self._evaluate, state, feed)
        outcome.state = _with_validators(outcome.state, self.origin.url, fetched)
        return outcome

    def _evaluate(self, state: OriginState, feed: Feed) -> PollOutcome:
        max_drafts = max(0, MAX_DRAFTS - self.folder.count_drafts(self.origin.name))
        folder, publisher = self.folder, self.identify()
        return evaluate_feed(self.origin, state, feed, publisher, max_drafts, folder.has_draft, folder.find_status)


async def _read_feed(body: bytes, fetched: Fetched) -> Feed:
    """Parse the body in a thread, as a large feed takes time. Raises FetchFailed."""
    try:
        return await asyncio.to_thread(read_feed, body, content_type=fetched.content_type, address=fetched.address)
    except NotAFeed as error:
        raise FetchFailed("not_a_feed", str(error)) from None


async def _fetch_if_changed(fetcher: Fetcher, address: str, state: OriginState) -> Fetched:
    """Fetch the address if it has changed since the last poll. Raises FetchFailed."""
    if state.address != address:
        return await fetcher.fetch(address)
    return await fetcher.fetch(address, etag=state.etag, last_modified=state.last_modified)


def _with_validators(state: OriginState, address: str, fetched: Fetched) -> OriginState:
    return replace(state, address=address, etag=fetched.etag, last_modified=fetched.last_modified)


@dataclass
class _AlertBatch:
    """Alerts read in a poll, and counts of the others by reason."""

    alerts: list[Alert] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, body: bytes, *, origin: str, location: str) -> bool:
        """Parse and add an alert; return whether it is valid."""
        try:
            self.alerts.append(read_alert(body))
        except NotAnAlert as error:
            self.counts["broken"] += 1
            _log.warning("alert_broken", name=origin, where=location, reason=str(error))
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class _AlertSource:
    """Base of the sources of alerts, which implement polling.PollSource."""

    origin: AlertOrigin
    identify: Identify
    find_status: FindStatus

    def _evaluate(self, state: OriginState, batch: _AlertBatch) -> PollOutcome:
        outcome = evaluate_alerts(self.origin, state, batch.alerts, self.identify(), self.find_status)
        outcome.counts += batch.counts
        return outcome


@dataclass(frozen=True, kw_only=True)
class AlertFileSource(_AlertSource):
    """A file or a folder, read again when a file in it has changed."""

    path: Path

    async def __call__(self, state: OriginState) -> PollOutcome | None:
        try:
            files = self._list_files()
            files_hash = _hash_files(files)
            if state.polled and state.etag == files_hash:
                return None
            batch = await asyncio.to_thread(self._read, files)
        except OSError as error:
            raise FetchFailed("files", f"{self.path}: {error.strerror}") from None
        outcome = self._evaluate(state, batch)
        if not batch.counts["unreadable"]:  # otherwise read it again: a change of permissions does not change the hash
            outcome.state = replace(outcome.state, etag=files_hash)
        return outcome

    def _list_files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        return sorted({file for pattern in PATTERNS for file in self.path.glob(pattern) if file.is_file()})

    def _read(self, files: Iterable[Path]) -> _AlertBatch:
        """Read the files; skip unreadable files of a folder."""
        batch = _AlertBatch()
        for path in files:
            try:
                with open(path, "rb") as file:
                    body = file.read(MAX_BYTES + 1)
            except OSError as error:
                if path == self.path:
                    raise
                batch.counts["unreadable"] += 1
                _log.warning("alert_unreadable", name=self.origin.name, where=path.name, reason=error.strerror)
            else:
                batch.read(body, origin=self.origin.name, location=path.name)
        return batch


def _hash_files(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with suppress(OSError):  # reading it reports the error
            status = file.stat()
            digest.update(f"{file.name}\0{status.st_mtime_ns}\0{status.st_size}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class AlertWebSource(_AlertSource):
    """The URL of an alert, or of a feed that links to alerts on its host.

    Links are fetched for at most `timeout_seconds`; `failed_links`, which failed last time, come last.
    """

    address: str
    fetcher: Fetcher
    timeout_seconds: float = LINKS_TIMEOUT_SECONDS
    failed_links: set[str] = field(default_factory=set)

    async def __call__(self, state: OriginState) -> PollOutcome | None:
        fetched = await _fetch_if_changed(self.fetcher, self.address, state)
        if fetched.body is None:
            return None
        batch, entries, is_complete = _AlertBatch(), state.entries, True
        if await asyncio.to_thread(is_alert, fetched.body):
            batch.read(fetched.body, origin=self.origin.name, location="the address")
        else:
            feed = await _read_feed(fetched.body, fetched)
            batch.counts["broken"] += feed.broken
            links, foreign = find_alert_links(feed.entries, (self.address, fetched.address))
            if foreign:
                batch.counts["foreign_link"] += foreign
                _log.warning("alert_links_foreign", name=self.origin.name, number=foreign)
            entries, is_complete = await self._follow(links, state, batch)
        outcome = self._evaluate(replace(state, entries=entries), batch)
        if is_complete:  # otherwise fetch it again although it has not changed
            outcome.state = _with_validators(outcome.state, self.address, fetched)
        return outcome

    async def _follow(
        self, links: Mapping[str, str], state: OriginState, batch: _AlertBatch
    ) -> tuple[dict[str, KnownEntry], bool]:
        """Fetch new or changed alerts; return the known links, and whether all have been fetched.

        Failed fetches are repeated at the next poll, those of anything but an alert only for BROKEN_RETRY.
        """
        known, now = dict(state.entries), self.identify().now
        keys = {link: hash_parts(link) for link in links}
        links_to_fetch = [link for link, key in keys.items() if _is_to_be_fetched(known.get(key), links[link])]
        if not state.polled and self.origin.first_poll is FirstPoll.MARK:
            batch.counts["marked"] += len(links_to_fetch)
            is_alert_by_link = dict.fromkeys(links_to_fetch, True)
        else:
            is_alert_by_link = await self._fetch_all(links_to_fetch, batch)
        for link, key in keys.items():
            if link not in links_to_fetch or is_alert_by_link.get(link):
                put_last(known, key, KnownEntry(digest=links[link], seen=now.date()))
            elif link in is_alert_by_link:
                put_last(known, key, _build_broken_entry(known.get(key), links[link], now))
        remaining = (_is_to_be_fetched(known.get(key), links[link]) for link, key in keys.items())
        return known, not any(remaining)

    async def _fetch_all(self, links: Collection[str], batch: _AlertBatch) -> dict[str, bool]:
        """Fetch links concurrently until the timeout; return for each fetched link whether it is an alert."""
        self.failed_links.intersection_update(links)
        selected = sorted(links, key=lambda link: link in self.failed_links)[:MAX_ALERTS_PER_POLL]
        is_alert_by_link: dict[str, bool] = {}
        slots = asyncio.Semaphore(FETCHES_AT_ONCE)

        async def fetch(link: str) -> None:
            async with slots:
                self.failed_links.add(link)
                body = await self._fetch(link)
            if body is not None:
                is_alert_by_link[link] = batch.read(body, origin=self.origin.name, location="a link")
            if is_alert_by_link.get(link):
                self.failed_links.remove(link)

        with suppress(TimeoutError):
            async with asyncio.timeout(self.timeout_seconds), asyncio.TaskGroup() as tasks:
                for link in selected:
                    tasks.create_task(fetch(link))
        batch.counts["unreachable"] += len(selected) - len(is_alert_by_link)
        return is_alert_by_link

    async def _fetch(self, link: str) -> bytes | None:
        try:
            fetched = await self.fetcher.fetch(link)
        except FetchFailed as error:
            _log.warning("alert_unreachable", name=self.origin.name, reason=error.reason)
            return None
        return fetched.body or b""


def find_alert_links(entries: Iterable[FeedEntry], addresses: Iterable[str]) -> tuple[dict[str, str], int]:
    """Return the links to alerts, with a digest that changes with the entry, and the number of foreign links.

    A foreign link is not on a host of the feed's `addresses`: a feed must not redirect us elsewhere.
    """
    hosts = set(filter(None, map(_parse_host, addresses)))
    digests: dict[str, str] = {}
    foreign_count = 0
    for entry in entries:
        links = [link for link in entry.links if link.type == ALERT_TYPE] or entry.links
        link = next((link.address for link in links if _parse_host(link.address) in hosts), None)
        if link is not None:
            digests[link] = hash_parts(
                digests.get(link, ""), entry.id, entry.title, str(entry.published), str(entry.updated)
            )
        elif links:
            foreign_count += 1
    return digests, foreign_count


def _is_to_be_fetched(known: KnownEntry | None, digest: str) -> bool:
    """Return whether a link is new, changed, or was not an alert."""
    return known is None or known.digest != digest or known.broken_since is not None


def _build_broken_entry(known: KnownEntry | None, digest: str, now: datetime) -> KnownEntry:
    """Build the entry of a link that is not an alert; it is fetched again for BROKEN_RETRY.

    A website under maintenance may respond with something else for an alert just published.
    """
    broken_since = known.broken_since if known is not None and known.digest == digest else None
    is_given_up = broken_since is not None and now - broken_since >= BROKEN_RETRY
    return KnownEntry(digest=digest, seen=now.date(), broken_since=None if is_given_up else broken_since or now)


def _parse_host(address: str) -> tuple[str, int | None] | None:
    """Return host and port, None for the default port; None if it is not an HTTP URL."""
    try:
        url = URL(address)
    except (ValueError, IndexError):  # of yarl, for http://[]@
        return None
    if url.scheme not in ("http", "https") or not url.raw_host:
        return None
    return url.raw_host.lower().rstrip("."), None if url.is_default_port() else url.port
