"""Notice commands: events of municipal systems as they are received, decided on the stored state, and answered.

A repeated event is answered with the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from services.subscriptions.domain import notice_events
from services.subscriptions.domain.broadcast import (
    Broadcast,
    Estimate,
    Revision,
    build_broadcast,
    estimate_broadcast,
)
from services.subscriptions.domain.county import County
from services.subscriptions.domain.notice_events import EventIdentity, build_checked, build_quarantine, build_rejected
from services.subscriptions.domain.publication import Publication
from services.subscriptions.domain.quotas import Quota, build_silent_quota, find_quota_problems, list_quotas
from shared.contracts.envelope import ContractError, Envelope, read_data
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeCheck, NoticeContent, NoticeWithdrawn
from shared.notices.cloudevents import (
    AmqpMessage,
    UnreadableEvent,
    convert_event,
    identify_system,
    parse_token_topics,
    read_amqp_event,
)
from shared.notices.configuration import System, Topic
from shared.notices.rules import ID_REUSED, has_control_characters, parse_notice, validate_source, validate_unreadable
from shared.outcome import Done, Outcome

TOPIC_NOT_PERMITTED = Problem(field="subject", problem="is not about a topic that this token may publish to")
UNKNOWN_NOTICE = Problem(
    field="revision", problem="updates an unknown notice: check its id, or publish it as a new one"
)
NOTHING_TO_FOLLOW = Problem(field="follows", problem="is no notice that was accepted from this source")
# Problems of an event that overtakes its notice; which of them wait must not show whether a foreign notice exists.
MAYBE_EARLY = frozenset((TOPIC_NOT_PERMITTED, UNKNOWN_NOTICE, NOTHING_TO_FOLLOW))
WITHDRAWN = "withdrawn"
SUPERSEDED = "superseded"
CANCELLED = "nobody will get it any more: it was cancelled"


@dataclass(frozen=True, kw_only=True)
class NoticeCommand:
    """Valid event of `system` as far as the rules can tell; without `content` it withdraws its notice.

    With `only_topics` it may not touch a notice about any other topic.
    """

    envelope: Envelope
    system: System
    digest: bytes
    subject: str
    content: NoticeContent | None = None
    topic: Topic | None = None
    reason: str = ""
    only_topics: frozenset[str] | None = None
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StoredAnswer:
    """Digest of an event that was executed before, and its answer."""

    digest: bytes
    publications: tuple[Publication, ...]


@dataclass(frozen=True, kw_only=True)
class NoticeState:
    """Stored state of a notice. `followed` are the broadcasts and topics of the notice that it follows, newest last."""

    answered: StoredAnswer | None = None
    withdrawn: bool = False
    revisions: tuple[Revision, ...] = ()
    followed: Mapping[UUID, str] = field(default_factory=dict)
    exhausted_quotas: Mapping[Quota, datetime | None] = field(default_factory=dict)
    audience: int | None = None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Rules and rates that apply to every notice now."""

    now: datetime
    county: County
    messages_per_second: float


@dataclass(frozen=True, kw_only=True)
class NoticeDecision:
    """Problems, or what is to be stored and published. A `duplicate` was executed before and stores nothing."""

    problems: tuple[Problem, ...] = ()
    publications: tuple[Publication, ...] = ()
    duplicate: bool = False
    broadcast: Broadcast | None = None
    withdraw: bool = False
    cancelled: tuple[UUID, ...] = ()
    reason: str = ""


def repeat_answer(digest: bytes, answered: StoredAnswer) -> NoticeDecision:
    """Return the stored answer to an event whose id is known; a problem if its content differs."""
    if digest != answered.digest:
        return NoticeDecision(problems=(ID_REUSED,))
    return NoticeDecision(publications=answered.publications, duplicate=True)


def decide_notice(command: NoticeCommand, state: NoticeState, policy: Policy) -> NoticeDecision:
    """Return what a command does in this state."""
    if state.answered:
        return repeat_answer(command.digest, state.answered)
    if not _may_touch(command, state):
        return NoticeDecision(problems=(TOPIC_NOT_PERMITTED,))
    if command.content is None or command.topic is None:
        return _withdraw(command, state, policy.now)
    broadcast = build_broadcast(
        command.envelope,
        command.content,
        topic=command.topic,
        now=policy.now,
        hours=policy.county.permitted_hours,
        follows=state.followed,
        audience=state.audience,
    )
    known = _find_same_revision(broadcast, state)
    problems = tuple(_find_problems(broadcast, state, known is not None))
    if problems:
        return NoticeDecision(problems=problems)
    if known is not None:  # answered as the first time, with the broadcast that exists
        event, same = command.envelope.id, replace(broadcast, id=known.broadcast)
        estimate = _estimate(command, same, state, policy)
        if known.cancelled:
            estimate = replace(estimate, blockers=(CANCELLED,))
        return NoticeDecision(publications=(notice_events.build_accepted(event, same, estimate, policy.now),))
    return _publish(command, broadcast, state, policy)


def _may_touch(command: NoticeCommand, state: NoticeState) -> bool:
    """Return whether the topics of the token permit the command.

    A token bound to topics may not withdraw an unknown notice, either: it could be about any topic.
    """
    if command.only_topics is None:
        return True
    topics = {revision.topic for revision in state.revisions}
    return topics <= command.only_topics and (bool(topics) or command.content is not None)


def _find_same_revision(broadcast: Broadcast, state: NoticeState) -> Revision | None:
    """Return the newest revision if its content is the same: it was published again under a new event id."""
    newest = max(state.revisions, key=lambda revision: revision.number, default=None)
    same = newest and (newest.number, newest.digest) == (broadcast.revision, broadcast.digest)
    return newest if same else None


def _find_problems(broadcast: Broadcast, state: NoticeState, known: bool) -> Iterator[Problem]:
    if state.withdrawn:
        yield Problem(field="subject", problem="was withdrawn; publish under another one")
    else:
        if not known:
            yield from _find_revision_problems(broadcast, {each.number for each in state.revisions})
            yield from _find_follow_problems(broadcast, state.followed)
        yield from find_quota_problems(state.exhausted_quotas, silent=known)


def _find_revision_problems(broadcast: Broadcast, numbers: set[int]) -> Iterator[Problem]:
    newest = max(numbers, default=0)
    if broadcast.revision == 1 and numbers:
        yield Problem(field="subject", problem=f"was published before, in revision {newest}; send an update")
    elif broadcast.revision > 1 and not numbers:
        yield UNKNOWN_NOTICE
    elif broadcast.revision in numbers:
        yield Problem(field="revision", problem="was published with other content; count it up")
    elif broadcast.revision < newest:
        yield Problem(field="revision", problem=f"is older than revision {newest}; count it up")


def _find_follow_problems(broadcast: Broadcast, followed: Mapping[UUID, str]) -> Iterator[Problem]:
    if broadcast.follows_notice is None:
        return
    if not followed:
        yield NOTHING_TO_FOLLOW
    elif broadcast.topic != tuple(followed.values())[-1]:
        yield Problem(field="topic", problem="must be that of the notice which it follows")


def _publish(command: NoticeCommand, broadcast: Broadcast, state: NoticeState, policy: Policy) -> NoticeDecision:
    cancelled, told = _cancel_unfinished(command, state, SUPERSEDED, policy.now)
    estimate = _estimate(command, broadcast, state, policy)
    told += notice_events.build_announcement(command.envelope.id, broadcast, estimate, policy.now)
    return NoticeDecision(publications=tuple(told), broadcast=broadcast, cancelled=cancelled, reason=SUPERSEDED)


def _estimate(command: NoticeCommand, broadcast: Broadcast, state: NoticeState, policy: Policy) -> Estimate:
    assert command.topic is not None  # noqa: S101 - only a withdrawal has none
    prices, rate = policy.county.prices, policy.messages_per_second
    return estimate_broadcast(broadcast, state.audience, topic=command.topic, prices=prices, messages_per_second=rate)


def _withdraw(command: NoticeCommand, state: NoticeState, now: datetime) -> NoticeDecision:
    """Withdraw a notice, even one that has not been published yet: a withdrawal may overtake it."""
    is_silent = state.withdrawn or not state.revisions
    if is_silent and (problems := tuple(find_quota_problems(state.exhausted_quotas, silent=True))):
        return NoticeDecision(problems=problems)
    event, newest = command.envelope, max((each.number for each in state.revisions), default=0)
    cancelled, told = _cancel_unfinished(command, state, command.reason or WITHDRAWN, now)
    withdrawn = notice_events.build_withdrawn(event.source, event.id, command.subject, newest, now)
    return NoticeDecision(publications=(*told, withdrawn), withdraw=True, cancelled=cancelled, reason=WITHDRAWN)


def _cancel_unfinished(
    command: NoticeCommand, state: NoticeState, reason: str, now: datetime
) -> tuple[tuple[UUID, ...], list[Publication]]:
    """Return the broadcasts that may still be sent, with the events that cancel them.

    Even of an expanded one, pages may wait in the dispatcher.
    """
    source, notice = command.envelope.source, command.subject
    unfinished = [each for each in state.revisions if not each.cancelled and each.expires_at > now]
    told = [notice_events.build_broadcast_cancelled(each, source, notice, reason, now) for each in unfinished]
    return tuple(each.broadcast for each in unfinished), told


MAX_NOTICE_ID_LENGTH = 100


@dataclass(frozen=True, kw_only=True)
class NoticeRequest:
    """Event of a system, decoded once, with all of its problems; a valid one has a `command`.

    `answerable` is its envelope if it is one of this system's with an id that can be stored, so that it may have been
    answered before. With a `question` it is only to be checked.
    """

    identity: EventIdentity
    problems: tuple[Problem, ...] = ()
    answerable: Envelope | None = None
    digest: bytes = b""
    command: NoticeCommand | None = None
    question: Envelope | None = None


@dataclass(frozen=True, kw_only=True)
class NoticeAnswer:
    """Answer that is published about a request, the name of its result, and what becomes of its message."""

    result: str
    publications: tuple[Publication, ...]
    outcome: Outcome = field(default_factory=Done)


def read_request(message: AmqpMessage, county: County, now: datetime) -> NoticeRequest:
    """Return the request in a message, whatever is wrong with it."""
    try:
        envelope = read_amqp_event(message)
    except UnreadableEvent as error:
        return _build_unreadable(error, message.login, county, now)
    system = county.find_system(identify_system(envelope, message.login))
    identity = EventIdentity(
        event=envelope.id,
        source=envelope.source,
        notice=(envelope.subject or "")[:MAX_NOTICE_ID_LENGTH] or None,
        system=system.name if system else message.login or "",
    )
    event, question = envelope, envelope if envelope.type == NoticeCheck.TYPE and system else None
    try:
        if question:
            event = convert_event(read_data(question, NoticeCheck).event)
    except ContractError as error:
        return NoticeRequest(identity=identity, problems=(Problem(field="data", problem=str(error)),))
    except UnreadableEvent as error:
        problems = validate_unreadable(error, system, county, now)
        return NoticeRequest(identity=identity, problems=problems, question=question)
    parsed = parse_notice(event)
    problems, notice, digest = parsed.validate(system, county, now), parsed.notice, parsed.fingerprint
    never_stored = validate_source(event, system) or has_control_characters(event.id)
    known = None if never_stored else event
    request = NoticeRequest(identity=identity, problems=problems, answerable=known, digest=digest, question=question)
    if problems or system is None or notice is None:
        return request
    content = notice if isinstance(notice, NoticeContent) else None
    command = NoticeCommand(
        envelope=event,
        system=system,
        digest=digest,
        subject=event.subject or "",
        content=content,
        topic=county.find_topic(content.topic) if content else None,
        reason=notice.reason if isinstance(notice, NoticeWithdrawn) else "",
        only_topics=parse_token_topics(envelope, message.login),
        quotas=(*(list_quotas(system, urgent=content.urgent) if content else ()), build_silent_quota(system)),
    )
    return replace(request, command=command)


def _build_unreadable(error: UnreadableEvent, login: str | None, county: County, now: datetime) -> NoticeRequest:
    name = identify_system(error.envelope, login) if error.envelope else None
    problems = validate_unreadable(error, county.find_system(name), county, now)
    identity = EventIdentity(event=error.event, source=error.source, notice=error.subject, system=login or "")
    return NoticeRequest(identity=identity, problems=problems)


def build_answer(request: NoticeRequest, decision: NoticeDecision, now: datetime) -> NoticeAnswer:
    """Return the answer to a request; an event whose sender the broker does not know may be one, and gets none."""
    problems, identity = decision.problems, request.identity
    if request.question:
        checked = build_checked(request.question, problems, decision.publications, now)
        return NoticeAnswer(result="checked", publications=(checked,))
    if problems:
        rejected = (build_rejected(problems, identity, now),) if identity.system else ()
        outcome = build_quarantine(problems, identity, now)
        return NoticeAnswer(result="rejected", publications=rejected, outcome=outcome)
    done = "withdrawn" if decision.withdraw else "repeated"
    return NoticeAnswer(result="accepted" if decision.broadcast else done, publications=decision.publications)
