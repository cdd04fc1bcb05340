"""Where alerts are: files of a folder, or the web."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from msgspec.structs import replace

from cli.feeds.alerts.deciding import decide_alerts
from cli.feeds.alerts.reading import MOST_BYTES, Alert, NotAnAlert, is_alert, read_alert
from cli.feeds.configuration import AlertOrigin, FirstPoll
from cli.feeds.deciding import Outcome, Place
from cli.feeds.entries import Entry, Feed, NotAFeed, read_feed
from cli.feeds.fetching import Fetcher, FetchFailed
from cli.feeds.looking import fetch_again, with_validators
from cli.feeds.memory import Known, Memory, short_hash
from shared.runtime.clock import Clock

PATTERNS = ("*.xml", "*.cap")
MOST_AT_ONCE = 200
ALERT_TYPE = "application/cap+xml"

_log = structlog.get_logger()


@dataclass
class _Found:
    """Alerts that could be read, and what could not, by reason."""

    alerts: list[Alert] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, body: bytes, *, origin: str, where: str) -> None:
        try:
            self.alerts.append(read_alert(body))
        except NotAnAlert as error:
            self.counts["broken"] += 1
            _log.warning("alert_broken", name=origin, where=where, reason=str(error))


@dataclass(frozen=True, kw_only=True)
class FilesLook:
    """Implements polling.Look for a file or a folder, which is read again when something in it has changed."""

    origin: AlertOrigin
    path: Path
    place: Place
    clock: Clock

    async def __call__(self, memory: Memory) -> Outcome | None:
        try:
            files = self._files()
            state = _state(files)
            if memory.polled and memory.etag == state:
                return None
            found = await asyncio.to_thread(self._read, files)
        except OSError as error:
            raise FetchFailed("files", f"{self.path}: {error.strerror}") from None
        outcome = decide_alerts(self.origin, memory, found.alerts, self.place.at(self.clock()))
        outcome.counts += found.counts
        outcome.memory = replace(outcome.memory, etag=state)
        return outcome

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        return sorted({file for pattern in PATTERNS for file in self.path.glob(pattern) if file.is_file()})

    def _read(self, files: Iterable[Path]) -> _Found:
        found = _Found()
        for file in files:
            with open(file, "rb") as opened:
                found.read(opened.read(MOST_BYTES + 1), origin=self.origin.name, where=file.name)
        return found


def _state(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(f"{file.name}\0{status.st_mtime_ns}\0{status.st_size}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class WebLook:
    """Implements polling.Look for the address of an alert, or of a feed with links to alerts on the same host."""

    origin: AlertOrigin
    address: str
    fetcher: Fetcher
    place: Place
    clock: Clock

    async def __call__(self, memory: Memory) -> Outcome | None:
        fetched = await fetch_again(self.fetcher, self.address, memory)
        if fetched.body is None:
            return None
        found, entries, complete = _Found(), memory.entries, True
        if await asyncio.to_thread(_is_alert, fetched.body):
            found.read(fetched.body, origin=self.origin.name, where="the address")
        else:
            feed = await self._feed(fetched.body, fetched.content_type, fetched.address)
            found.counts["broken"] += feed.broken
            entries, complete = await self._follow(feed.entries, memory, found)
        outcome = decide_alerts(
            self.origin, replace(memory, entries=entries), found.alerts, self.place.at(self.clock())
        )
        outcome.counts += found.counts
        if complete:  # else it is read again, though it has not changed
            outcome.memory = with_validators(outcome.memory, self.address, fetched)
        return outcome

    async def _feed(self, body: bytes, content_type: str, address: str) -> Feed:
        try:
            return await asyncio.to_thread(read_feed, body, content_type=content_type, address=address)
        except NotAFeed as error:
            raise FetchFailed("not_a_feed", str(error)) from None

    async def _follow(self, entries: Sequence[Entry], memory: Memory, found: _Found) -> tuple[dict[str, Known], bool]:
        """Each linked alert once; whether all could be fetched. What fails is tried again at the next look."""
        known, today = dict(memory.entries), self.clock().date()
        links = dict.fromkeys(filter(None, (_alert_link(entry, self.address) for entry in entries)))
        new = [link for link in links if short_hash(link) not in known]
        quietly = not memory.polled and self.origin.first_poll is FirstPoll.MARK
        fetched = new if quietly else [link for link in new[:MOST_AT_ONCE] if await self._fetch(link, found)]
        if quietly:
            found.counts["marked"] += len(new)
        seen = [link for link in links if short_hash(link) in known]
        known |= {short_hash(link): _known(today) for link in (*seen, *fetched)}
        return known, len(fetched) == len(new)

    async def _fetch(self, link: str, found: _Found) -> bool:
        try:
            fetched = await self.fetcher.fetch(link)
        except FetchFailed as error:
            found.counts["unreachable"] += 1
            _log.warning("alert_unreachable", name=self.origin.name, reason=error.reason)
            return False
        found.read(fetched.body or b"", origin=self.origin.name, where="a link")
        return True


def _known(today: date) -> Known:
    return Known(digest="", seen=today)


def _is_alert(body: bytes) -> bool:
    try:
        return is_alert(body)
    except NotAnAlert:
        return False


def _alert_link(entry: Entry, address: str) -> str | None:
    """The entry's alert if it is where the feed is: a feed cannot send us elsewhere."""
    links = sorted(entry.links, key=lambda link: link.type != ALERT_TYPE)
    wanted = (link.address for link in links)
    return next((link for link in wanted if _host(link) and _host(link) == _host(address)), None)


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).netloc or None
    except ValueError:
        return None
