"""Evaluation of a feed or an alert as if it were new. Nothing is stored or sent."""

import asyncio
import dataclasses
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from services.feeds.cap.decisions import evaluate_alerts
from services.feeds.cap.parser import NotAnAlert, is_alert, read_alert
from services.feeds.configuration import AlertOrigin, FeedOrigin, FeedsFile, Mode
from services.feeds.decisions import PollOutcome, PublisherIdentity, evaluate_feed
from services.feeds.fetching import MAX_BYTES, Fetched, FetchFailed, open_fetcher
from services.feeds.rss import NotAFeed, read_feed
from services.feeds.state import OriginState
from shared.contracts.events import Problem

EMPTY_STATE = OriginState(polled=True)
URL_PREFIXES = ("http://", "https://")
FAILED_RESULTS = frozenset({"broken", "refused"})
OriginType = TypeVar("OriginType", FeedOrigin, AlertOrigin)


class DryRunError(Exception):
    """Raised when the input cannot be evaluated; the text says why."""


class RulesNotChosen(DryRunError):
    """Raised when it is not clear whose rules apply."""


@dataclass(frozen=True, kw_only=True)
class DryRunResult:
    """Result for one entry; `events` would be published, or saved as drafts."""

    title: str
    result: str
    events: tuple[dict[str, Any], ...] = ()
    draft: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def is_fine(self) -> bool:
        return not self.problems and self.result not in FAILED_RESULTS


def read_input(target: str, file: FeedsFile) -> Fetched:
    """Read a file, standard input (`-`), or a URL. Raises DryRunError."""
    try:
        if target.startswith(URL_PREFIXES):
            return asyncio.run(_fetch(target, file))
        with nullcontext(sys.stdin.buffer) if target == "-" else open(target, "rb") as stream:
            body = stream.read(MAX_BYTES + 1)
    except FetchFailed as error:
        raise DryRunError(f"{target}: {error}") from None
    except OSError as error:
        raise DryRunError(f"{target}: {error.strerror}") from None
    if len(body) > MAX_BYTES:
        raise DryRunError(f"{target}: has more than {MAX_BYTES} bytes")
    return Fetched(body=body, address="")


async def _fetch(address: str, file: FeedsFile) -> Fetched:
    async with open_fetcher(file.contact, file.internal_hosts) as fetcher:
        return await fetcher.fetch(address)


def evaluate_input(
    fetched: Fetched, file: FeedsFile, name: str | None, publisher: PublisherIdentity
) -> list[DryRunResult]:
    """Evaluate each entry separately with the rules of the feed or the alerts `name`. Raises DryRunError."""
    body = fetched.body or b""
    if is_alert(body):
        return [_evaluate_alert(body, _choose_origin(file.alerts, name), publisher)]
    try:
        feed = read_feed(body, content_type=fetched.content_type, address=fetched.address)
    except NotAFeed as error:
        raise DryRunError(f"neither a feed nor an alert in CAP 1.2: {error}") from None
    origin = _choose_origin([each for each in file.feeds if each.url == fetched.address] or file.feeds, name)
    results = []
    for entry in feed.entries:
        alone = dataclasses.replace(feed, entries=(entry,), broken=0, surplus=0)
        results.append(_build_result(entry.title, evaluate_feed(origin, EMPTY_STATE, alone, publisher)))
    return [*results, *(DryRunResult(title="", result="broken") for _ in range(feed.broken))]


def _evaluate_alert(body: bytes, origin: AlertOrigin, publisher: PublisherIdentity) -> DryRunResult:
    try:
        alert = read_alert(body)
    except NotAnAlert as error:
        raise DryRunError(f"this alert cannot be read: {error}") from None
    headline = alert.infos[0].headline if alert.infos else ""
    return _build_result(headline or alert.identifier, evaluate_alerts(origin, EMPTY_STATE, [alert], publisher))


def _choose_origin(origins: Sequence[OriginType], name: str | None) -> OriginType:
    matching = [origin for origin in origins if name in (None, origin.name)]
    if len(matching) == 1:
        return matching[0]
    names = ", ".join(origin.name for origin in origins) or "(none)"
    raise RulesNotChosen(f"choose the rules: --rules, one of {names}")


def _build_result(title: str, outcome: PollOutcome) -> DryRunResult:
    results = [result for result, count in outcome.counts.items() if count]
    pending = outcome.state.pending
    return DryRunResult(
        title=title,
        result=results[0] if results else "broken",
        events=tuple(msgspec.json.decode(event.event) for event in pending),
        draft=any(event.way is Mode.DRAFT for event in pending),
        problems=tuple(problem for problems in outcome.problems.values() for problem in problems),
    )
