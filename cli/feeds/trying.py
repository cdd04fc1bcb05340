"""What would become of each entry of a feed, or of an alert, if it came now and were new. Nothing is kept or sent."""

import asyncio
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import typer

from cli.feeds.alerts.deciding import decide_alerts
from cli.feeds.alerts.reading import NotAnAlert, is_alert, read_alert
from cli.feeds.configuration import AlertOrigin, FeedOrigin, FeedsFile
from cli.feeds.deciding import Outcome, Place, decide
from cli.feeds.entries import NotAFeed, read_feed
from cli.feeds.fetching import MOST_BYTES, FetchFailed, open_fetcher
from cli.feeds.memory import Memory, Way
from cli.feeds.opening import open_rules
from cli.feeds.reporting import WORDS
from cli.output import EXIT_REJECTED, fail, say
from shared.contracts.events import Problem
from shared.runtime.clock import system_clock
from shared.runtime.logs import configure_logs

NEW = Memory(polled=True)
WEB = ("http://", "https://")
WRONG = frozenset({"broken", "refused"})
Either = TypeVar("Either", FeedOrigin, AlertOrigin)


class CannotTry(Exception):
    """The text says why."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What is tried, and where it came from."""

    body: bytes
    address: str = ""
    content_type: str = ""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One entry: `result` is a word of ours; `events` are what would be published, or kept as drafts."""

    title: str
    result: str
    events: tuple[dict[str, Any], ...] = ()
    draft: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def is_fine(self) -> bool:
        return not self.problems and self.result not in WRONG


def show_tried(target: str, by: str | None, file: Path | None, *, as_json: bool) -> None:
    """Say what would become of it, and end the command with its status."""
    rules, county = open_rules(file)
    configure_logs(service="feeds", level="error")
    place = Place(system=rules.system, source=rules.source, county=county, now=system_clock())
    try:
        tried = try_all(asyncio.run(material_at(target, rules)), rules, by, place)
    except CannotTry as error:
        fail(str(error))
    say(msgspec.json.encode({"entries": tried}).decode() if as_json else tried_text(tried))
    if not all(one.is_fine for one in tried):
        raise typer.Exit(EXIT_REJECTED)


async def material_at(target: str, file: FeedsFile) -> Material:
    """A file, standard input (`-`), or an address. Raises CannotTry."""
    if target.startswith(WEB):
        return await _fetched(target, file)
    try:
        body = sys.stdin.buffer.read(MOST_BYTES + 1) if target == "-" else _read(Path(target))
    except OSError as error:
        raise CannotTry(f"{target}: {error.strerror}") from None
    if len(body) > MOST_BYTES:
        raise CannotTry(f"{target}: has more than {MOST_BYTES} bytes")
    return Material(body=body)


def _read(path: Path) -> bytes:
    with open(path, "rb") as opened:
        return opened.read(MOST_BYTES + 1)


async def _fetched(address: str, file: FeedsFile) -> Material:
    async with open_fetcher(file.contact, file.internal_hosts) as fetcher:
        try:
            fetched = await fetcher.fetch(address)
        except FetchFailed as error:
            raise CannotTry(f"{address}: {error}") from None
    return Material(body=fetched.body or b"", address=fetched.address, content_type=fetched.content_type)


def try_all(material: Material, file: FeedsFile, name: str | None, place: Place) -> list[Tried]:
    """Each entry by itself, by the rules of the feed or the alerts `name`. Raises CannotTry."""
    if _is_alert(material.body):
        return [_alert(material.body, _chosen(file.alerts, name), place)]
    try:
        feed = read_feed(material.body, content_type=material.content_type, address=material.address)
    except NotAFeed as error:
        raise CannotTry(f"neither a feed nor an alert in CAP 1.2: {error}") from None
    origin = _chosen([each for each in file.feeds if each.url == material.address] or file.feeds, name)
    alone = [(entry.title, dataclasses.replace(feed, entries=(entry,), broken=0)) for entry in feed.entries]
    found = [_tried(title, decide(origin, NEW, one, place)) for title, one in alone]
    return [*found, *(Tried(title="", result="broken") for _ in range(feed.broken))]


def _is_alert(body: bytes) -> bool:
    try:
        return is_alert(body)
    except NotAnAlert:
        return False


def _alert(body: bytes, origin: AlertOrigin, place: Place) -> Tried:
    try:
        alert = read_alert(body)
    except NotAnAlert as error:
        raise CannotTry(f"this alert cannot be read: {error}") from None
    headline = alert.infos[0].headline if alert.infos else ""
    return _tried(headline or alert.identifier, decide_alerts(origin, NEW, [alert], place))


def _chosen(origins: Sequence[Either], name: str | None) -> Either:
    wanted = [origin for origin in origins if name in (None, origin.name)]
    if len(wanted) == 1:
        return wanted[0]
    known = ", ".join(origin.name for origin in origins) or "(none)"
    raise CannotTry(f"say by whose rules: --as, one of {known}")


def _tried(title: str, outcome: Outcome) -> Tried:
    results = [result for result, count in outcome.counts.items() if count]
    pending = outcome.memory.pending
    return Tried(
        title=title,
        result=results[0] if results else "broken",
        events=tuple(msgspec.json.decode(one.event) for one in pending),
        draft=any(one.way is Way.DRAFT for one in pending),
        problems=tuple(problem for several in outcome.problems.values() for problem in several),
    )


def tried_text(tried: Sequence[Tried]) -> str:
    """A line for each entry, and one more for each thing that is wrong."""
    return "\n".join(line for one in tried for line in _lines(one)) or "nothing in it"


def _lines(tried: Tried) -> Iterator[str]:
    yield f"{WORDS.get(tried.result, tried.result.replace('_', ' '))}: {tried.title}"
    for event in tried.events:
        data = event["data"]
        yield f"  {data.get('topic', 'withdrawal')}: {data.get('headline', '')}{_until(event.get('expirytime'))}"
    for problem in tried.problems:
        yield f"  {problem.field}: {problem.problem}"


def _until(expirytime: str | None) -> str:
    return f", until {expirytime}" if expirytime else ""
