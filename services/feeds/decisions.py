"""Decisions on the entries of a feed: which become notices, each only once, in any order of arrival."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from services.feeds.configuration import FeedOrigin, FeedRule, FirstPoll, Mode, Origin
from services.feeds.content import build_content
from services.feeds.rss import Feed, FeedEntry
from services.feeds.state import KnownEntry, NoticeStatus, OriginState, hash_parts, put_last
from shared.contracts.envelope import encode
from shared.contracts.events import Problem
from shared.contracts.message import Message
from shared.contracts.notices import NoticeContent, NoticePublished, NoticeUpdated
from shared.notices.configuration import Configuration
from shared.notices.rules import validate_event
from shared.notices.time_parsing import parse_duration

MAX_DRAFTS = 500
MAX_VERSIONS = 8
HasDraft = Callable[[str], bool]  # by the id of the event
FindStatus = Callable[[str, datetime], NoticeStatus]


@dataclass(frozen=True, kw_only=True)
class RuleChoice:
    """Publishing options for an entry; a field that is None is taken from the origin or the entry."""

    topic: str
    mode: Mode
    municipalities: tuple[str, ...] | None = None
    urgent: bool | None = None


def choose(origin: Origin, *, title: str, text: str, categories: Sequence[str]) -> RuleChoice | None:
    """Return the options of the first matching rule, None if the entry is to be left out."""
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
    """System, source, configuration and time for building events."""

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

    def build_notice(self, content: NoticeContent, *, subject: str, revision: int, expires: datetime) -> bytes:
        """Build the event with this revision of a notice."""
        fields = msgspec.structs.asdict(content)
        message = NoticePublished(**fields) if revision == 1 else NoticeUpdated(**fields, revision=revision)
        return self.build_event(message, subject=subject, revision=str(revision), expires=expires)

    def find_problems(self, event: bytes) -> tuple[Problem, ...]:
        """Return the problems for which Kreisfunk would reject the event."""
        return validate_event(event, self.county.find_system(self.system), self.county, self.now)


@dataclass
class PollOutcome:
    """State after a poll, number of entries per result, and problems of entries by subject."""

    state: OriginState
    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)


def evaluate_feed(
    origin: FeedOrigin,
    state: OriginState,
    feed: Feed,
    publisher: PublisherIdentity,
    max_drafts: int = MAX_DRAFTS,
    has_draft: HasDraft = lambda _: False,
    find_status: FindStatus = lambda _subject, _now: NoticeStatus.SENT,
) -> PollOutcome:
    """Evaluate every entry once; the first poll only marks entries as known, unless configured otherwise.

    At most `max_drafts` drafts are created, for the newest entries; older ones are only marked as known.
    """
    outcome = PollOutcome(state)
    outcome.counts.update(broken=feed.broken, surplus=feed.surplus)
    configuration_hash = _hash_configuration(origin, publisher.county)
    evaluator = _EntryEvaluator(origin, publisher, configuration_hash, has_draft, find_status)
    decisions = list(_evaluate_entries(evaluator, state, feed))
    surplus = sum(decision.is_new_draft for decision in decisions) - max_drafts
    entries = dict(state.entries)
    for decision in decisions:
        if decision.is_new_draft and surplus > 0:
            surplus -= 1
            decision = decision.drop_draft()
        put_last(entries, decision.key, decision.known)
        outcome.counts.update(filter(None, (decision.result, decision.draft_reason)))
        if decision.problems:
            outcome.problems[decision.subject] = decision.problems
        if decision.way is not None:
            outcome.state = outcome.state.with_pending(decision.way, decision.event)
    # After an empty feed, all entries are new. After one without any valid entry they may be old: it is not polled yet.
    polled = state.polled or bool(feed.entries) or not feed.broken
    new_state = replace(outcome.state, polled=polled, entries=entries)
    outcome.state = new_state.drop_old_entries(publisher.now.date(), len(feed.entries))
    return outcome


@dataclass(frozen=True, kw_only=True)
class _EntryDecision:
    """Decision on the entry `key`; `draft_reason` is why a direct publication becomes a draft.

    A draft that `replaces` one that waits takes no more room.
    """

    key: str
    known: KnownEntry
    result: str
    way: Mode | None = None
    event: bytes = b""
    subject: str = ""
    problems: tuple[Problem, ...] = ()
    draft_reason: str = ""
    replaces: bool = False

    @property
    def is_new_draft(self) -> bool:
        return self.way is Mode.DRAFT and not self.replaces

    def make_draft(self, reason: str) -> "_EntryDecision":
        return dataclasses.replace(self, way=Mode.DRAFT, draft_reason=reason)

    def drop_draft(self) -> "_EntryDecision":
        """Return the decision to only mark the entry, without this revision."""
        known = replace(self.known, revision=self.known.revision - 1)
        return dataclasses.replace(self, known=known, result="not_kept", way=None, draft_reason="")


def _evaluate_entries(evaluator: "_EntryEvaluator", state: OriginState, feed: Feed) -> Iterator[_EntryDecision]:
    """Yield the decisions, in chronological order as needed for publishing; a feed lists the newest entry first."""
    origin, now = evaluator.origin, evaluator.publisher.now
    mark_only = not state.polled and origin.first_poll is FirstPoll.MARK
    direct_count = sum(pending.way is Mode.DIRECT for pending in state.pending)
    for entry in reversed(feed.entries):
        known = state.entries.get(hash_parts(entry.id))
        decision = evaluator.evaluate(entry, known, mark_only=mark_only)
        if decision.way is Mode.DIRECT:
            if known is None and _may_be_forgotten(state, entry, now):
                decision = decision.make_draft("perhaps_known")
            elif origin.most_at_once is not None and direct_count >= origin.most_at_once:
                decision = decision.make_draft("too_many")
            else:
                direct_count += 1
        yield decision


def _may_be_forgotten(state: OriginState, entry: FeedEntry, now: datetime) -> bool:
    """Return whether an unknown entry may be one whose state was dropped: its date is not after the last such day.

    A margin of a day applies: if entries are dropped every day, none is certainly new.
    """
    if state.forgot is None:
        return False
    earliest = state.forgot + timedelta(days=1)
    return entry.published is None or not earliest < entry.published.astimezone(UTC).date() <= now.date()


@dataclass(frozen=True)
class _EntryEvaluator:
    """Evaluator of entries of one feed."""

    origin: FeedOrigin
    publisher: PublisherIdentity
    configuration_hash: str
    has_draft: HasDraft
    find_status: FindStatus

    def evaluate(self, entry: FeedEntry, known: KnownEntry | None, *, mark_only: bool) -> _EntryDecision:
        today = self.publisher.now.date()
        choice = choose(self.origin, title=entry.title, text=entry.summary, categories=entry.categories)
        content = self._build_content(entry, choice) if choice else None
        if known is None:
            new_known = KnownEntry(digest=_build_digest(self.configuration_hash, content), seen=today)
            result = "marked" if mark_only else "" if content else "left_out"
        else:
            digest = _add_version(known.digest, self.configuration_hash, content) if content else known.digest
            new_known, result = replace(known, seen=today, digest=digest), self._compare(known, digest)
        if not result and self._is_old(entry):
            result = "old"
        if result or choice is None or content is None:
            return _EntryDecision(key=hash_parts(entry.id), known=new_known, result=result)
        return self._build_publication(entry, new_known, choice.mode, content)

    def _compare(self, known: KnownEntry, digest: str) -> str:
        """Return why a known entry is not published again; empty if it is to be updated.

        A change is counted once; an entry that was never published cannot be updated.
        """
        if digest == known.digest or known.digest.split()[:1] != [self.configuration_hash]:
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
        """Build the next revision; it is refused if our own rules would reject it."""
        key = hash_parts(entry.id)
        subject = f"{self.origin.name}-{key}"
        mode, revision, replaces = self._choose_revision(subject, known.revision, mode)
        default_expiry = self.publisher.now + parse_duration(self.origin.expires_in)
        expires = min(entry.expires or default_expiry, default_expiry)
        event = self.publisher.build_notice(content, subject=subject, revision=revision, expires=expires)
        problems = self.publisher.find_problems(event)
        if problems:
            return _EntryDecision(key=key, known=known, result="refused", subject=subject, problems=problems)
        result = "drafted" if mode is Mode.DRAFT else "published" if revision == 1 else "updated"
        published = replace(known, revision=revision)
        return _EntryDecision(
            key=key, known=published, result=result, way=mode, event=event, subject=subject, replaces=replaces
        )

    def _choose_revision(self, subject: str, last: int, mode: Mode) -> tuple[Mode, int, bool]:
        """Return mode and number of the next revision after the `last` one, and whether it replaces a waiting draft.

        While no person has published the first one, or Kreisfunk has rejected it, there is nothing to update.
        """
        status = self.find_status(subject, self.publisher.now) if last else NoticeStatus.SENT
        unreached = status in (NoticeStatus.UNSENT, NoticeStatus.REJECTED)
        waiting = 1 if unreached else last
        replaces = waiting > 0 and self.has_draft(f"{subject}:{waiting}")
        revision = waiting if replaces or unreached else last + 1
        return Mode.DRAFT if replaces or status is NoticeStatus.UNSENT else mode, revision, replaces


def _hash_configuration(origin: FeedOrigin, county: Configuration) -> str:
    """Return a hash of the configuration that determines how an entry is published."""
    fields = (
        *(origin.topic, origin.rules, origin.urgent, origin.text_without_summary),
        *(county.topics, county.link_hosts),
    )
    return hash_parts(msgspec.json.encode(fields).decode())


def _build_digest(configuration_hash: str, content: NoticeContent | None) -> str:
    """Return the digest of a new entry: the hash of the configuration, then that of the content, if any."""
    return f"{configuration_hash} {_hash_content(content)}" if content else configuration_hash


def _add_version(digest: str, configuration_hash: str, content: NoticeContent) -> str:
    """Return the digest with this content added; unchanged if the content was seen before.

    After a change of the configuration, changes of the website cannot be told apart, so the digest starts afresh.
    """
    previous_hash, *content_hashes = digest.split() or [""]
    content_hash = _hash_content(content)
    if previous_hash != configuration_hash:
        return _build_digest(configuration_hash, content)
    if content_hash in content_hashes:
        return digest
    return " ".join((configuration_hash, *[*content_hashes, content_hash][-MAX_VERSIONS:]))


def _hash_content(content: NoticeContent) -> str:
    return hash_parts(msgspec.json.encode(content).decode())
