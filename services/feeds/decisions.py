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

from services.feeds.configuration import FeedOrigin, FeedRule, FirstPoll, Mode, Origin
from services.feeds.content import build_content
from services.feeds.rss import Feed, FeedEntry
from services.feeds.state import KnownEntry, OriginState, PendingEvent, hash_parts, put_last
from shared.contracts.envelope import encode
from shared.contracts.events import Problem
from shared.contracts.message import Message
from shared.contracts.notices import NoticeContent, NoticePublished, NoticeUpdated
from shared.notices.configuration import Configuration
from shared.notices.rules import validate_event
from shared.notices.time_parsing import parse_duration

MAX_DRAFTS = 500
MAX_VERSIONS = 8


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
    patterns = ((rule.title, (title,)), (rule.text, (text,)), (rule.category, categories))
    return all(
        pattern is None or any(re.search(pattern, each, re.IGNORECASE) for each in texts) for pattern, texts in patterns
    )


@dataclass(frozen=True, kw_only=True)
class PublisherIdentity:
    """System, source, configuration and time with which events are built."""

    system: str
    source: str
    county: Configuration
    now: datetime

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
        return validate_event(event, self.county.find_system(self.system), self.county, self.now)


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
    surplus = sum(judged.way is Mode.DRAFT for judged in decided) - room
    entries = dict(memory.entries)
    for judged in decided:
        if judged.way is Mode.DRAFT and surplus > 0:
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
    way: Mode | None = None
    event: bytes = b""
    subject: str = ""
    problems: tuple[Problem, ...] = ()
    draft_reason: str = ""

    def make_draft(self, reason: str) -> "_EntryDecision":
        return dataclasses.replace(self, way=Mode.DRAFT, draft_reason=reason)

    def drop_draft(self) -> "_EntryDecision":
        """Return the decision to only mark the entry: this revision of it is nowhere."""
        known = replace(self.known, revision=self.known.revision - 1)
        return dataclasses.replace(self, known=known, result="not_kept", way=None, draft_reason="")


def _evaluate_entries(
    origin: FeedOrigin, memory: OriginState, feed: Feed, publisher: PublisherIdentity
) -> Iterator[_EntryDecision]:
    """Yield the decisions. A feed lists the newest entry first; notices have to be published in chronological order."""
    evaluator = _EntryEvaluator(origin, publisher, _hash_setup(origin, publisher.county))
    quietly = not memory.polled and origin.first_poll is FirstPoll.MARK
    limit = origin.most_at_once if memory.polled else None
    direct = sum(one.way is Mode.DIRECT for one in memory.pending)
    for entry in reversed(feed.entries):
        known = memory.entries.get(hash_parts(entry.id))
        judged = evaluator.evaluate(entry, known, quietly=quietly)
        if judged.way is Mode.DIRECT:
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


@dataclass(frozen=True)
class _EntryEvaluator:
    """Evaluator of entries of one feed; `setup` is the hash of the configuration."""

    origin: FeedOrigin
    publisher: PublisherIdentity
    setup: str

    def evaluate(self, entry: FeedEntry, known: KnownEntry | None, *, quietly: bool) -> _EntryDecision:
        today = self.publisher.now.date()
        choice = choose(self.origin, title=entry.title, text=entry.summary, categories=entry.categories)
        content = self._build_content(entry, choice) if choice else None
        if known is None:
            after = KnownEntry(digest=_build_digest(self.setup, content), seen=today)
            result = "marked" if quietly else "" if content else "left_out"
        else:
            digest = _add_version(known.digest, self.setup, content) if content else known.digest
            after, result = replace(known, seen=today, digest=digest), self._compare(known, digest)
        if not result and self._is_old(entry):
            result = "old"
        if result or choice is None or content is None:
            return _EntryDecision(key=hash_parts(entry.id), known=after, result=result)
        return self._build_publication(entry, after, choice.mode, content)

    def _compare(self, known: KnownEntry, digest: str) -> str:
        """Return why a known entry is not published again; empty if it is to be updated.

        It is counted as changed once; an entry that was never published cannot be updated.
        """
        if digest == known.digest or known.digest.split()[:1] != [self.setup]:
            return "known"
        return "" if self.origin.updates and known.revision else "changed"

    def _build_content(self, entry: FeedEntry, choice: RuleChoice) -> NoticeContent:
        return build_content(
            topic=choice.topic,
            headline=entry.title,
            text=entry.summary or self.origin.text_without_summary,
            link=entry.link,
            picture=entry.picture,
            municipalities=choice.municipalities or (),
            urgent=self.origin.urgent if choice.urgent is None else choice.urgent,
            county=self.publisher.county,
        )

    def _is_old(self, entry: FeedEntry) -> bool:
        now = self.publisher.now
        if entry.expires is not None and entry.expires <= now:
            return True
        return entry.published is not None and entry.published < now - parse_duration(self.origin.oldest)

    def _build_publication(
        self, entry: FeedEntry, known: KnownEntry, mode: Mode, content: NoticeContent
    ) -> _EntryDecision:
        """Build the next revision, unless our own rules refuse it."""
        key, revision = hash_parts(entry.id), known.revision + 1
        subject, fields = f"{self.origin.name}-{key}", msgspec.structs.asdict(content)
        message = NoticePublished(**fields) if revision == 1 else NoticeUpdated(**fields, revision=revision)
        usual = self.publisher.now + parse_duration(self.origin.expires_in)
        expires = min(entry.expires or usual, usual)
        event = self.publisher.build_event(message, subject=subject, revision=str(revision), expires=expires)
        problems = self.publisher.find_problems(event)
        if problems:
            return _EntryDecision(key=key, known=known, result="refused", subject=subject, problems=problems)
        result = "drafted" if mode is Mode.DRAFT else "published" if revision == 1 else "updated"
        published = replace(known, revision=revision)
        return _EntryDecision(key=key, known=published, result=result, way=mode, event=event, subject=subject)


def _hash_setup(origin: FeedOrigin, county: Configuration) -> str:
    """Return a hash of the configuration that decides what is published of an entry."""
    decides = (
        *(origin.topic, origin.rules, origin.urgent, origin.text_without_summary),
        *(county.topics, county.link_hosts),
    )
    return hash_parts(msgspec.json.encode(decides).decode())


def _build_digest(setup: str, content: NoticeContent | None) -> str:
    """Return the digest of a new entry: a word for the configuration by which it was read, and one for each version."""
    return f"{setup} {_hash_content(content)}" if content else setup


def _add_version(digest: str, setup: str, content: NoticeContent) -> str:
    """Return the digest with this version; the same one if it was seen before.

    After a change of the configuration nobody knows what the website has changed: the digest begins anew.
    """
    before, *versions = digest.split() or [""]
    version = _hash_content(content)
    if before != setup:
        return _build_digest(setup, content)
    return digest if version in versions else " ".join((setup, *[*versions, version][-MAX_VERSIONS:]))


def _hash_content(content: NoticeContent) -> str:
    return hash_parts(msgspec.json.encode(content).decode())
