"""Notice commands: reading events of municipal systems, deciding them on the stored state, and answering them.

A repeated event is answered with the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
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
from shared.contracts.events import BroadcastCancelled, Problem
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
NOTHING_TO_FOLLOW = Problem(field="follows", problem="is not a notice that was accepted from this source")
NOTHING_TO_CHECK = Problem(field="event", problem="must be in data: the complete event that you would publish")
# Problems of an event that may have overtaken its notice; their delay must not reveal whether a foreign notice exists.
MAYBE_EARLY = frozenset((TOPIC_NOT_PERMITTED, UNKNOWN_NOTICE, NOTHING_TO_FOLLOW))
WITHDRAWN = "withdrawn"
SUPERSEDED = "superseded"
CANCELLED = "nobody will get it any more: it was cancelled"


@dataclass(frozen=True, kw_only=True)
class NoticeCommand:
    """Event of `system` that satisfies the rules; without `content` it withdraws its notice.

    With `only_topics` it may not affect a notice about any other topic.
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
    """Answer to an event that was executed before, and the event's digest."""

    digest: bytes
    publications: tuple[Publication, ...]


@dataclass(frozen=True, kw_only=True)
class NoticeState:
    """Stored state of a notice. `followed` maps the broadcasts of the notice that it follows to topics, newest last."""

    answered: StoredAnswer | None = None
    withdrawn: bool = False
    revisions: tuple[Revision, ...] = ()
    followed: Mapping[UUID, str] = field(default_factory=dict)
    exhausted_quotas: Mapping[Quota, datetime | None] = field(default_factory=dict)
    audience: int | None = None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Current rules and rates for all notices."""

    now: datetime
    county: County
    messages_per_second: float


@dataclass(frozen=True, kw_only=True)
class NoticeDecision:
    """Problems, or else changes and publications. A `duplicate` was executed before and changes nothing."""

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
    """Return the decision about a command in this state."""
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
    published = _find_same_revision(broadcast, state)
    problems = tuple(_find_problems(broadcast, state, published is not None))
    if problems:
        return NoticeDecision(problems=problems)
    if published is not None:  # answer as for the first event, with the existing broadcast
        event, existing = command.envelope.id, replace(broadcast, id=published.broadcast)
        estimate = _estimate(command, existing, state, policy)
        if published.cancelled:
            estimate = replace(estimate, blockers=(CANCELLED,))
        return NoticeDecision(publications=(notice_events.build_accepted(event, existing, estimate, policy.now),))
    return _publish(command, broadcast, state, policy)


def _may_touch(command: NoticeCommand, state: NoticeState) -> bool:
    """Return whether the topics of the token permit the command.

    A token limited to topics may not withdraw an unknown notice either: that could be about any topic.
    """
    if command.only_topics is None:
        return True
    topics = {revision.topic for revision in state.revisions}
    return topics <= command.only_topics and (bool(topics) or command.content is not None)


def _find_same_revision(broadcast: Broadcast, state: NoticeState) -> Revision | None:
    """Return the newest revision if number and content are the same, as if published again under a new event id."""
    newest = max(state.revisions, key=lambda revision: revision.number, default=None)
    is_same = newest and (newest.number, newest.digest) == (broadcast.revision, broadcast.digest)
    return newest if is_same else None


def _find_problems(broadcast: Broadcast, state: NoticeState, is_published: bool) -> Iterator[Problem]:
    if state.withdrawn:
        yield Problem(field="subject", problem="was withdrawn; publish under another one")
    else:
        if not is_published:
            yield from _find_revision_problems(broadcast, {revision.number for revision in state.revisions})
            yield from _find_follow_problems(broadcast, state.followed)
        yield from find_quota_problems(state.exhausted_quotas, silent=is_published)


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
        yield Problem(field="topic", problem="must be that of the notice that it follows")


def _publish(command: NoticeCommand, broadcast: Broadcast, state: NoticeState, policy: Policy) -> NoticeDecision:
    cancelled, publications = _cancel_unfinished(command, state, SUPERSEDED, policy.now)
    estimate = _estimate(command, broadcast, state, policy)
    publications += notice_events.build_announcement(command.envelope.id, broadcast, estimate, policy.now)
    return NoticeDecision(publications=tuple(publications), broadcast=broadcast, cancelled=cancelled, reason=SUPERSEDED)


def _estimate(command: NoticeCommand, broadcast: Broadcast, state: NoticeState, policy: Policy) -> Estimate:
    assert command.topic is not None  # noqa: S101 - only a withdrawal has none
    prices, rate = policy.county.prices, policy.messages_per_second
    return estimate_broadcast(broadcast, state.audience, topic=command.topic, prices=prices, messages_per_second=rate)


def _withdraw(command: NoticeCommand, state: NoticeState, now: datetime) -> NoticeDecision:
    """Withdraw a notice, even one that has not been published yet: a withdrawal may overtake it."""
    is_silent = state.withdrawn or not state.revisions
    if is_silent and (problems := tuple(find_quota_problems(state.exhausted_quotas, silent=True))):
        return NoticeDecision(problems=problems)
    event, newest = command.envelope, max((revision.number for revision in state.revisions), default=0)
    cancelled, cancellations = _cancel_unfinished(command, state, command.reason or WITHDRAWN, now)
    withdrawn = notice_events.build_withdrawn(event.source, event.id, command.subject, newest, now)
    return NoticeDecision(
        publications=(*cancellations, withdrawn), withdraw=True, cancelled=cancelled, reason=WITHDRAWN
    )


def _cancel_unfinished(
    command: NoticeCommand, state: NoticeState, reason: str, now: datetime
) -> tuple[tuple[UUID, ...], list[Publication]]:
    """Return the broadcasts that may still be sent, with the events that cancel them.

    Pages of an expanded broadcast may also still wait in the dispatcher.
    """
    unfinished = tuple(
        revision.broadcast for revision in state.revisions if not revision.cancelled and revision.expires_at > now
    )
    build = partial(BroadcastCancelled, source=command.envelope.source, notice=command.subject, reason=reason)
    return unfinished, [notice_events.build_broadcast_cancelled(build(broadcast=one), now) for one in unfinished]


MAX_NOTICE_ID_LENGTH = 100


@dataclass(frozen=True, kw_only=True)
class NoticeRequest:
    """Event of a system, decoded once, with all of its problems; a valid one has a `command`.

    `answerable` is its envelope if it may have been answered before: it is from this system, and its id can be stored.
    With a `question`, the envelope of a check, it is only checked.
    """

    identity: EventIdentity
    problems: tuple[Problem, ...] = ()
    answerable: Envelope | None = None
    digest: bytes = b""
    command: NoticeCommand | None = None
    question: Envelope | None = None


@dataclass(frozen=True, kw_only=True)
class NoticeAnswer:
    """Answer to a request: the name of its result, the publications, and the outcome for its message."""

    result: str
    publications: tuple[Publication, ...]
    outcome: Outcome = field(default_factory=Done)


def read_request(message: AmqpMessage, county: County, now: datetime) -> NoticeRequest:
    """Return the request in a message, valid or not."""
    try:
        envelope = read_amqp_event(message)
    except UnreadableEvent as error:
        return _build_unreadable(error, message.login, county, now)
    name = identify_system(envelope, message.login)
    system = county.find_system(name)
    identity = EventIdentity(
        event=envelope.id,
        source=envelope.source,
        notice=(envelope.subject or "")[:MAX_NOTICE_ID_LENGTH] or None,
        system=name or message.login or "",
    )
    event, question = envelope, envelope if envelope.type == NoticeCheck.TYPE and system else None
    try:
        if question and (foreign := validate_source(question, system)):
            return NoticeRequest(identity=identity, problems=foreign)
        if question:
            event = convert_event(read_data(question, NoticeCheck).event)
    except ContractError:
        return NoticeRequest(identity=identity, problems=(NOTHING_TO_CHECK,))
    except UnreadableEvent as error:
        problems = validate_unreadable(error, system, county, now)
        return NoticeRequest(identity=identity, problems=problems, question=question)
    parsed = parse_notice(event)
    problems, notice, digest = parsed.validate(system, county, now), parsed.notice, parsed.fingerprint
    never_stored = validate_source(event, system) or has_control_characters(event.id)
    storable = None if never_stored else event
    request = NoticeRequest(identity=identity, problems=problems, answerable=storable, digest=digest, question=question)
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
    is_check = error.envelope is not None and error.envelope.type == NoticeCheck.TYPE
    problems = error.problems if is_check else validate_unreadable(error, county.find_system(name), county, now)
    identity = EventIdentity(event=error.event, source=error.source, notice=error.subject, system=login or "")
    return NoticeRequest(identity=identity, problems=problems)


def build_answer(request: NoticeRequest, decision: NoticeDecision, now: datetime) -> NoticeAnswer:
    """Return the answer to a request. A rejected event without a verified sender gets none."""
    problems, identity = decision.problems, request.identity
    if request.question:
        checked = build_checked(request.question, problems, decision.publications, now)
        return NoticeAnswer(result="checked", publications=(checked,))
    if problems:
        rejected = (build_rejected(problems, identity, now),) if identity.system else ()
        outcome = build_quarantine(problems, identity, now)
        return NoticeAnswer(result="rejected", publications=rejected, outcome=outcome)
    result = "accepted" if decision.broadcast else "withdrawn" if decision.withdraw else "repeated"
    return NoticeAnswer(result=result, publications=decision.publications)
