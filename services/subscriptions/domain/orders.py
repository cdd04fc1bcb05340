"""What becomes of an event about a notice: decided on what is stored, told with the same bytes each time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from services.subscriptions.domain import announcements
from services.subscriptions.domain.broadcast import Broadcast, Notice, Revision, broadcast_of, digest_of
from services.subscriptions.domain.estimate import estimate_of
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.quotas import Quota, quota_problems, quotas_of
from shared.contracts.dispatch import PermittedHours
from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeContent
from shared.municipal.configuration import Prices, Topic
from shared.municipal.identity import USED
from shared.municipal.systems import System

NOT_YOURS = Problem(field="subject", problem="is no notice about the topics that this token is for")
UNPUBLISHED = Problem(
    field="revision", problem="is an update of a notice that nobody knows: look at its id, or publish it as a new one"
)
WITHDRAWN = "withdrawn"
SUPERSEDED = "superseded"


@dataclass(frozen=True, kw_only=True)
class Order:
    """An event of `system` that is right as far as the rules can see; without `content` it withdraws its notice.

    With `only_topics` it may not touch a notice of any other topic.
    """

    envelope: Envelope
    system: System
    digest: bytes
    subject: str
    content: NoticeContent | None = None
    topic: Topic | None = None
    reason: str = ""
    only_topics: frozenset[str] | None = None

    @property
    def quotas(self) -> tuple[Quota, ...]:
        return quotas_of(self.system, urgent=self.content.urgent) if self.content else ()


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An event that was obeyed before, and what it was answered."""

    digest: bytes
    publications: tuple[Publication, ...]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is stored. `followed` are the broadcasts of the notice that it follows, with their topics."""

    answered: Answered | None = None
    withdrawn: bool = False
    revisions: tuple[Revision, ...] = ()
    followed: Mapping[UUID, str] = field(default_factory=dict)
    full: Mapping[Quota, datetime | None] = field(default_factory=dict)
    audience: int | None = None


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What holds for everybody now."""

    now: datetime
    hours: PermittedHours | None
    prices: Prices
    messages_per_second: float


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Problems, or what is to be stored and then told. `again` means that it was obeyed before: nothing is stored."""

    problems: tuple[Problem, ...] = ()
    publications: tuple[Publication, ...] = ()
    again: bool = False
    broadcast: Broadcast | None = None
    withdraw: bool = False
    cancelled: tuple[UUID, ...] = ()
    reason: str = ""


def repeated(digest: bytes, answered: Answered) -> Decision:
    """An event whose id is known."""
    if digest != answered.digest:
        return Decision(problems=(USED,))
    return Decision(publications=answered.publications, again=True)


def decide(order: Order, situation: Situation, terms: Terms) -> Decision:
    """What is to be done about an order."""
    if situation.answered:
        return repeated(order.digest, situation.answered)
    if not _may_touch(order, situation):
        return Decision(problems=(NOT_YOURS,))
    if order.content is None or order.topic is None:
        return _withdraw(order, situation, terms.now)
    assert order.envelope.expirytime is not None  # noqa: S101 - the rules ask for it
    notice = Notice(
        source=order.envelope.source,
        subject=order.subject,
        expires_at=order.envelope.expirytime,
        content=order.content,
    )
    broadcast = broadcast_of(notice, topic=order.topic, now=terms.now, hours=terms.hours)
    known = _same(notice, situation)
    problems = tuple(_problems(broadcast, situation, known is not None))
    if problems:
        return Decision(problems=problems)
    if known is not None:
        return _known(order, known, broadcast, situation, terms)
    return _publish(order, broadcast, situation, terms)


def _may_touch(order: Order, situation: Situation) -> bool:
    """Whose topics are bound may not withdraw what nobody knows, either: it could be of any topic."""
    if order.only_topics is None:
        return True
    topics = {revision.topic for revision in situation.revisions}
    return topics <= order.only_topics and (bool(topics) or order.content is not None)


def _same(notice: Notice, situation: Situation) -> Revision | None:
    """The newest revision if it says the same: somebody published it again under a new event id."""
    newest = max(situation.revisions, key=lambda revision: revision.number, default=None)
    same = newest and newest.number == notice.revision and newest.digest == digest_of(notice)
    return newest if same else None


def _problems(broadcast: Broadcast, situation: Situation, known: bool) -> Iterator[Problem]:
    if situation.withdrawn:
        yield Problem(field="subject", problem="was withdrawn; publish under another one")
    elif not known:
        yield from _revision_problems(broadcast, {each.number for each in situation.revisions})
        yield from _follow_problems(broadcast, situation.followed)
        yield from quota_problems(situation.full)


def _revision_problems(broadcast: Broadcast, numbers: set[int]) -> Iterator[Problem]:
    newest = max(numbers, default=0)
    if broadcast.revision == 1 and numbers:
        yield Problem(field="subject", problem=f"was published before, in revision {newest}; send an update")
    elif broadcast.revision > 1 and not numbers:
        yield UNPUBLISHED
    elif broadcast.revision in numbers:
        yield Problem(field="revision", problem="was published with other content; count it up")
    elif broadcast.revision < newest:
        yield Problem(field="revision", problem=f"is older than revision {newest}; count it up")


def _follow_problems(broadcast: Broadcast, followed: Mapping[UUID, str]) -> Iterator[Problem]:
    if broadcast.follows_notice is None:
        return
    if not followed:
        yield Problem(field="follows", problem="is no notice that was accepted from this source")
    elif set(followed.values()) != {broadcast.topic}:
        yield Problem(field="topic", problem="must be that of the notice which it follows")


def _publish(order: Order, broadcast: Broadcast, situation: Situation, terms: Terms) -> Decision:
    older = _unfinished(situation, terms.now)
    told = [_cancelled(order, each, SUPERSEDED, terms.now) for each in older]
    told.append(_accepted(order, broadcast, situation, terms))
    if not broadcast.scheduled:
        told.append(announcements.started(broadcast))
    return Decision(
        publications=tuple(told),
        broadcast=replace(
            broadcast, follows=tuple(situation.followed), spacing_seconds=_spacing(broadcast, situation.audience)
        ),
        cancelled=tuple(each.broadcast for each in older),
        reason=SUPERSEDED,
    )


def _spacing(broadcast: Broadcast, audience: int | None) -> float | None:
    """Of a scheduled one it is known when it begins."""
    if broadcast.spread is None or broadcast.scheduled or not audience:
        return None
    return broadcast.spread.total_seconds() / audience


def _known(order: Order, known: Revision, same: Broadcast, situation: Situation, terms: Terms) -> Decision:
    """Answered like the first time, with the broadcast that there is."""
    broadcast = replace(same, id=known.broadcast)
    return Decision(publications=(_accepted(order, broadcast, situation, terms),))


def _accepted(order: Order, broadcast: Broadcast, situation: Situation, terms: Terms) -> Publication:
    assert order.topic is not None  # noqa: S101 - only a withdrawal has none
    estimate = estimate_of(
        broadcast,
        situation.audience,
        topic=order.topic,
        prices=terms.prices,
        messages_per_second=terms.messages_per_second,
    )
    return announcements.accepted(order.envelope.id, broadcast, estimate, terms.now)


def _withdraw(order: Order, situation: Situation, now: datetime) -> Decision:
    """Also of a notice that nobody has published yet: a withdrawal may overtake it."""
    unfinished = _unfinished(situation, now)
    newest = max((each.number for each in situation.revisions), default=0)
    told = [_cancelled(order, each, order.reason or WITHDRAWN, now) for each in unfinished]
    told.append(announcements.withdrawn(order.envelope.source, order.envelope.id, order.subject, newest, now))
    return Decision(
        publications=tuple(told),
        withdraw=True,
        cancelled=tuple(each.broadcast for each in unfinished),
        reason=WITHDRAWN,
    )


def _unfinished(situation: Situation, now: datetime) -> list[Revision]:
    """Also what is expanded may still wait in the dispatcher."""
    return [each for each in situation.revisions if not each.cancelled and each.expires_at > now]


def _cancelled(order: Order, revision: Revision, reason: str, now: datetime) -> Publication:
    return announcements.cancelled(revision, order.envelope.source, order.subject, reason, now)
