"""Decisions on entries of a feed: which become notices, each once, in whatever order they arrive."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from services.feeds.changes import add_version, build_digest, hash_setup, is_by_setup
from services.feeds.configuration import FeedOrigin, FeedRule, FirstPoll, Mode, Origin
from services.feeds.content import build_content
from services.feeds.rss import Feed, FeedEntry
from services.feeds.state import EventDestination, KnownEntry, OriginState, PendingEvent, hash_parts, put_last
from shared.contracts.envelope import encode, read_envelope
from shared.contracts.events import Problem
from shared.contracts.message import Message
from shared.contracts.notices import NoticeContent, NoticePublished, NoticeUpdated
from shared.notices.configuration import Configuration
from shared.notices.rules import validate_notice
from shared.notices.time_parsing import parse_duration

MAX_DRAFTS = 500


@dataclass(frozen=True, kw_only=True)
class RuleChoice:
    """Choice for an entry; for a field that is None, the origin or the entry decides."""

    topic: str
    mode: Mode
    municipalities: tuple[str, ...] | None = None
    urgent: bool | None = None


def choose(origin: Origin, *, title: str, text: str, categories: Sequence[str]) -> RuleChoice | None:
    """Return the choice, or None if the entry is to be left out."""
    rule = next((rule for rule in origin.rules if _match_rule(rule, title, text, categories)), FeedRule())
    topic = rule.topic or origin.topic
    if rule.skip or topic is None:
        return None
    return RuleChoice(
        topic=topic, mode=rule.mode or origin.mode, municipalities=rule.municipalities, urgent=rule.urgent
    )


def _match_rule(rule: FeedRule, title: str, text: str, categories: Sequence[str]) -> bool:
    tried = (
        _match_pattern(rule.title, title),
        _match_pattern(rule.text, text),
        _match_pattern(rule.category, *categories),
    )
    return all(tried)


def _match_pattern(pattern: str | None, *texts: str) -> bool:
    return pattern is None or any(re.search(pattern, text, re.IGNORECASE) for text in texts)


@dataclass(frozen=True, kw_only=True)
class PublisherIdentity:
    """System, source, configuration and time with which events are built."""

    system: str
    source: str
    county: Configuration
    now: datetime

    def with_time(self, now: datetime) -> "PublisherIdentity":
        return dataclasses.replace(self, now=now)

    def build_event(self, message: Message, *, subject: str, revision: str, expires: datetime | None = None) -> bytes:
        """Build an event whose id depends only on the notice and its revision."""
        return encode(
            message,
            event_id=f"{subject}:{revision}",
            source=self.source,
            time=self.now,
            subject=subject,
            expirytime=expires,
        )

    def find_problems(self, event: bytes) -> tuple[Problem, ...]:
        """Return the problems for which Kreisfunk would reject the event, whatever the interface."""
        return validate_notice(read_envelope(event), self.county.find_system(self.system), self.county, self.now)


@dataclass
class PollOutcome:
    """State after a poll, number of entries per result, and problems of entries by subject."""

    memory: OriginState
    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)


def evaluate_feed(
    origin: FeedOrigin, memory: OriginState, feed: Feed, publisher: PublisherIdentity, room: int = MAX_DRAFTS
) -> PollOutcome:
    """Evaluate every entry once; the first poll only marks entries as known, unless the origin says otherwise.

    There is `room` for so many drafts; they are for the newest entries, and the others are only marked as known.
    """
    outcome = PollOutcome(memory)
    outcome.counts.update(broken=feed.broken, surplus=feed.surplus)
    decided = list(_evaluate_entries(origin, memory, feed, publisher))
    surplus = sum(judged.way is EventDestination.DRAFT for judged in decided) - room
    entries = dict(memory.entries)
    for judged in decided:
        if judged.way is EventDestination.DRAFT and surplus > 0:
            surplus -= 1
            judged = judged.drop_draft()
        put_last(entries, judged.key, judged.known)
        outcome.counts.update(filter(None, (judged.result, judged.draft_reason)))
        if judged.problems:
            outcome.problems[judged.subject] = judged.problems
        if judged.way is not None:
            outcome.memory = outcome.memory.with_pending(PendingEvent(way=judged.way, event=Raw(judged.event)))
    # An empty feed was read: what comes is new. One of whose entries none can be read may have had them all before.
    polled = memory.polled or bool(feed.entries) or not feed.broken
    after = replace(outcome.memory, polled=polled, entries=entries)
    outcome.memory = after.drop_old_entries(publisher.now.date(), len(feed.entries))
    return outcome


@dataclass(frozen=True, kw_only=True)
class _EntryDecision:
    """Decision on the entry `key`; `draft_reason` says why what would be published becomes a draft."""

    key: str
    known: KnownEntry
    result: str
    way: EventDestination | None = None
    event: bytes = b""
    subject: str = ""
    problems: tuple[Problem, ...] = ()
    draft_reason: str = ""

    def make_draft(self, reason: str) -> "_EntryDecision":
        return dataclasses.replace(self, way=EventDestination.DRAFT, draft_reason=reason)

    def drop_draft(self) -> "_EntryDecision":
        """Return the decision to only mark the entry: this revision of it is nowhere."""
        known = replace(self.known, revision=self.known.revision - 1)
        return dataclasses.replace(self, known=known, result="not_kept", way=None, draft_reason="")


def _evaluate_entries(
    origin: FeedOrigin, memory: OriginState, feed: Feed, publisher: PublisherIdentity
) -> Iterator[_EntryDecision]:
    """Yield the decisions. A feed lists the newest entry first; notices have to be published in chronological order."""
    quietly = not memory.polled and origin.first_poll is FirstPoll.MARK
    setup = hash_setup(origin, publisher.county)
    limit = origin.most_at_once if memory.polled else None
    direct = sum(one.way is EventDestination.DIRECT for one in memory.pending)
    for entry in reversed(feed.entries):
        known = memory.entries.get(hash_parts(entry.id))
        judged = _evaluate_entry(origin, entry, known, publisher, setup, quietly=quietly)
        if judged.way is EventDestination.DIRECT:
            if known is None and _may_be_forgotten(memory, entry, publisher.now):
                judged = judged.make_draft("perhaps_known")
            elif limit is not None and direct >= limit:
                judged = judged.make_draft("too_many")
            else:
                direct += 1
        yield judged


def _may_be_forgotten(memory: OriginState, entry: FeedEntry, now: datetime) -> bool:
    """Return whether an unknown entry may have been here before, as it is not dated after the last one forgotten.

    A day lies between: where entries are forgotten every day, none is new for sure.
    """
    if memory.forgot is None:
        return False
    after = memory.forgot + timedelta(days=1)
    return entry.published is None or not after < entry.published.astimezone(UTC).date() <= now.date()


def _evaluate_entry(
    origin: FeedOrigin,
    entry: FeedEntry,
    known: KnownEntry | None,
    publisher: PublisherIdentity,
    setup: str,
    *,
    quietly: bool,
) -> _EntryDecision:
    today, key = publisher.now.date(), hash_parts(entry.id)
    choice = choose(origin, title=entry.title, text=entry.summary, categories=entry.categories)
    content = _build_content(origin, entry, choice, publisher.county) if choice else None
    if known is not None:
        return _evaluate_known(origin, entry, replace(known, seen=today), setup, choice, content, publisher)
    fresh = KnownEntry(digest=build_digest(setup, content), seen=today)
    if quietly:
        return _EntryDecision(key=key, known=fresh, result="marked")
    if choice is None or content is None:
        return _EntryDecision(key=key, known=fresh, result="left_out")
    if _is_old(origin, entry, publisher.now):
        return _EntryDecision(key=key, known=fresh, result="old")
    return _build_publication(origin, entry, fresh, choice, content, publisher)


def _evaluate_known(
    origin: FeedOrigin,
    entry: FeedEntry,
    known: KnownEntry,
    setup: str,
    choice: RuleChoice | None,
    content: NoticeContent | None,
    publisher: PublisherIdentity,
) -> _EntryDecision:
    key = hash_parts(entry.id)
    if choice is None or content is None:
        return _EntryDecision(key=key, known=known, result="known")
    after = replace(known, digest=add_version(known.digest, setup, content))
    if after == known or not is_by_setup(known.digest, setup):
        return _EntryDecision(key=key, known=after, result="known")
    if not origin.updates or not known.revision:
        # Counted as changed once; an entry that was never published cannot be updated.
        return _EntryDecision(key=key, known=after, result="changed")
    if _is_old(origin, entry, publisher.now):
        return _EntryDecision(key=key, known=after, result="old")
    return _build_publication(origin, entry, after, choice, content, publisher)


def _build_publication(
    origin: FeedOrigin,
    entry: FeedEntry,
    known: KnownEntry,
    choice: RuleChoice,
    content: NoticeContent,
    publisher: PublisherIdentity,
) -> _EntryDecision:
    """Build the next revision, unless our own rules refuse it."""
    key = hash_parts(entry.id)
    subject = f"{origin.name}-{key}"
    revision = known.revision + 1
    event = publisher.build_event(
        _build_message(content, revision),
        subject=subject,
        revision=str(revision),
        expires=_compute_expiry(origin, entry, publisher.now),
    )
    problems = publisher.find_problems(event)
    if problems:
        return _EntryDecision(key=key, known=known, result="refused", subject=subject, problems=problems)
    way = EventDestination.DRAFT if choice.mode is Mode.DRAFT else EventDestination.DIRECT
    result = "drafted" if way is EventDestination.DRAFT else "published" if revision == 1 else "updated"
    published = replace(known, revision=revision)
    return _EntryDecision(key=key, known=published, result=result, way=way, event=event, subject=subject)


def _build_message(content: NoticeContent, revision: int) -> Message:
    fields = msgspec.structs.asdict(content)
    return NoticePublished(**fields) if revision == 1 else NoticeUpdated(**fields, revision=revision)


def _build_content(origin: FeedOrigin, entry: FeedEntry, choice: RuleChoice, county: Configuration) -> NoticeContent:
    return build_content(
        topic=choice.topic,
        headline=entry.title,
        text=entry.summary or origin.text_without_summary,
        link=entry.link,
        picture=entry.picture,
        municipalities=choice.municipalities or (),
        urgent=origin.urgent if choice.urgent is None else choice.urgent,
        county=county,
    )


def _is_old(origin: FeedOrigin, entry: FeedEntry, now: datetime) -> bool:
    if entry.expires is not None and entry.expires <= now:
        return True
    return entry.published is not None and entry.published < now - parse_duration(origin.oldest)


def _compute_expiry(origin: FeedOrigin, entry: FeedEntry, now: datetime) -> datetime:
    usual = now + parse_duration(origin.expires_in)
    return entry.expires if entry.expires is not None and entry.expires < usual else usual
