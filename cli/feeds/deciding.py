"""Which entries of a feed become notices: each once, whatever order they come in."""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from cli.feeds.configuration import FeedOrigin, FirstPoll, Mode
from cli.feeds.entries import Entry, Feed
from cli.feeds.memory import Known, Memory, Pending, Way, short_hash
from cli.feeds.rules import Choice, choose
from cli.feeds.wording import content_of
from cli.publish.moments import parse_duration
from shared.contracts.envelope import encode, read_envelope
from shared.contracts.events import Problem
from shared.contracts.message import Message
from shared.contracts.notices import NoticeContent, NoticePublished, NoticeUpdated
from shared.municipal.configuration import Configuration
from shared.municipal.rules import notice_problems


@dataclass(frozen=True, kw_only=True)
class Place:
    """In whose name and under which rules events are made, and when."""

    system: str
    source: str
    county: Configuration
    now: datetime

    def at(self, now: datetime) -> "Place":
        return dataclasses.replace(self, now=now)

    def event(self, message: Message, *, subject: str, revision: str, expires: datetime | None = None) -> bytes:
        """An event with an id that depends on the notice and its revision only."""
        return encode(
            message,
            event_id=f"{subject}:{revision}",
            source=self.source,
            time=self.now,
            subject=subject,
            expirytime=expires,
        )

    def problems(self, event: bytes) -> tuple[Problem, ...]:
        """What every door would say against it."""
        return notice_problems(read_envelope(event), self.county.system(self.system), self.county, self.now)


@dataclass
class Outcome:
    """What is known after a poll, how many entries ended how, and what was wrong with some, by subject."""

    memory: Memory
    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)


def decide(origin: FeedOrigin, memory: Memory, feed: Feed, place: Place) -> Outcome:
    """Look at every entry once; the first poll only marks what it finds, unless the origin says otherwise."""
    outcome = Outcome(memory)
    outcome.counts["broken"] += feed.broken
    quietly = not memory.polled and origin.first_poll is FirstPoll.MARK
    limit = origin.most_at_once if memory.polled else None
    entries = dict(memory.entries)
    # A feed has its newest on top; what is published has to come in the order in which it happened.
    for entry in reversed(feed.entries):
        key = short_hash(entry.id)
        judged = _judge(origin, entry, entries.get(key), place, quietly=quietly)
        entries[key] = judged.known
        outcome.counts[judged.result] += 1
        _keep(outcome, judged, limit)
    outcome.memory = replace(outcome.memory, polled=True, entries=entries).forgetting(place.now.date())
    return outcome


@dataclass(frozen=True, kw_only=True)
class _Judged:
    known: Known
    result: str
    way: Way | None = None
    event: bytes = b""
    subject: str = ""
    problems: tuple[Problem, ...] = ()


def _keep(outcome: Outcome, judged: _Judged, limit: int | None) -> None:
    if judged.problems:
        outcome.problems[judged.subject] = judged.problems
    if judged.way is None:
        return
    way = judged.way
    if way is Way.DOOR and limit is not None and _directly(outcome.memory.pending) >= limit:
        way = Way.DRAFT
        outcome.counts["too_many"] += 1
    outcome.memory = outcome.memory.with_pending(Pending(way=way, event=Raw(judged.event)))


def _directly(pending: Iterable[Pending]) -> int:
    return sum(one.way is Way.DOOR for one in pending)


def _judge(origin: FeedOrigin, entry: Entry, known: Known | None, place: Place, *, quietly: bool) -> _Judged:
    today = place.now.date()
    choice = choose(origin, title=entry.title, text=entry.summary, categories=entry.categories)
    content = _content(origin, entry, choice, place.county) if choice else None
    digest = short_hash(msgspec.json.encode(content).decode()) if content else ""
    if known is not None:
        return _again(origin, entry, replace(known, seen=today), digest, choice, content, place)
    fresh = Known(digest=digest, seen=today)
    if quietly:
        return _Judged(known=fresh, result="marked")
    if choice is None or content is None:
        return _Judged(known=fresh, result="left_out")
    if _is_old(origin, entry, place.now):
        return _Judged(known=fresh, result="old")
    return _publication(origin, entry, fresh, choice, content, place)


def _again(
    origin: FeedOrigin,
    entry: Entry,
    known: Known,
    digest: str,
    choice: Choice | None,
    content: NoticeContent | None,
    place: Place,
) -> _Judged:
    if digest == known.digest or choice is None or content is None:
        return _Judged(known=known, result="known")
    if not origin.updates or not known.revision:
        # Counted once; what nobody was told cannot be updated.
        return _Judged(known=replace(known, digest=digest), result="changed")
    return _publication(origin, entry, replace(known, digest=digest), choice, content, place)


def _publication(
    origin: FeedOrigin, entry: Entry, known: Known, choice: Choice, content: NoticeContent, place: Place
) -> _Judged:
    """The next revision, if our own rules have nothing against it."""
    subject = f"{origin.name}-{short_hash(entry.id)}"
    revision = known.revision + 1
    event = place.event(
        _message(content, revision), subject=subject, revision=str(revision), expires=_expiry(origin, entry, place.now)
    )
    problems = place.problems(event)
    if problems:
        return _Judged(known=known, result="refused", subject=subject, problems=problems)
    way = Way.DRAFT if choice.mode is Mode.DRAFT else Way.DOOR
    result = "drafted" if way is Way.DRAFT else "published" if revision == 1 else "updated"
    return _Judged(known=replace(known, revision=revision), result=result, way=way, event=event, subject=subject)


def _message(content: NoticeContent, revision: int) -> Message:
    fields = msgspec.structs.asdict(content)
    return NoticePublished(**fields) if revision == 1 else NoticeUpdated(**fields, revision=revision)


def _content(origin: FeedOrigin, entry: Entry, choice: Choice, county: Configuration) -> NoticeContent:
    return content_of(
        topic=choice.topic,
        headline=entry.title,
        text=entry.summary or origin.text_without_summary,
        link=entry.link,
        picture=entry.picture,
        municipalities=choice.municipalities or (),
        urgent=origin.urgent if choice.urgent is None else choice.urgent,
        county=county,
    )


def _is_old(origin: FeedOrigin, entry: Entry, now: datetime) -> bool:
    if entry.expires is not None and entry.expires <= now:
        return True
    return entry.published is not None and entry.published < now - parse_duration(origin.oldest)


def _expiry(origin: FeedOrigin, entry: Entry, now: datetime) -> datetime:
    usual = now + parse_duration(origin.expires_in)
    return entry.expires if entry.expires is not None and entry.expires < usual else usual
