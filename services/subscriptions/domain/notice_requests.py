"""Requests of municipal systems: events as they are received, and their answers."""

from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from services.subscriptions.domain.county import County
from services.subscriptions.domain.notice_commands import NoticeCommand, NoticeDecision
from services.subscriptions.domain.notice_events import (
    EventIdentity,
    build_checked,
    build_quarantine,
    build_rejected,
)
from services.subscriptions.domain.publication import Publication
from shared.contracts.envelope import ContractError, Envelope, read_data
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeCheck, NoticeWithdrawn
from shared.notices.cloudevents import AmqpMessage, UnreadableEvent, read_amqp_event, read_event
from shared.notices.configuration import System
from shared.notices.rules import (
    identify_system,
    parse_notice,
    parse_token_topics,
    validate_source,
    validate_unreadable,
)
from shared.outcome import Done, Outcome

MAX_NOTICE_ID_LENGTH = 100


@dataclass(frozen=True, kw_only=True)
class NoticeRequest:
    """Event of a system, decoded once, with all of its problems; a valid one has a `command`.

    `answerable` is its envelope if it is one of this system's, so that it may have been answered before. With a
    `question` it is only to be checked.
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
        name = identify_system(error.envelope, message.login) if error.envelope else None
        problems = validate_unreadable(error, county.find_system(name), county, now)
        identity = EventIdentity(
            event=error.event, source=error.source, notice=error.subject, system=message.login or ""
        )
        return NoticeRequest(identity=identity, problems=problems)
    system = county.find_system(identify_system(envelope, message.login))
    only = parse_token_topics(envelope, message.login)
    identity = EventIdentity(
        event=envelope.id,
        source=envelope.source,
        notice=(envelope.subject or "")[:MAX_NOTICE_ID_LENGTH] or None,
        system=system.name if system else message.login or "",
    )
    if envelope.type != NoticeCheck.TYPE or system is None:
        return _build_request(envelope, identity, system, only, county, now)
    try:
        checked = read_event(msgspec.json.encode(read_data(envelope, NoticeCheck).event))
    except ContractError as error:
        return NoticeRequest(identity=identity, problems=(Problem(field="data", problem=str(error)),))
    except UnreadableEvent as error:
        problems = validate_unreadable(error, system, county, now)
        return NoticeRequest(identity=identity, problems=problems, question=envelope)
    return replace(_build_request(checked, identity, system, only, county, now), question=envelope)


def _build_request(
    envelope: Envelope,
    identity: EventIdentity,
    system: System | None,
    only: frozenset[str] | None,
    county: County,
    now: datetime,
) -> NoticeRequest:
    parsed = parse_notice(envelope)
    problems, notice, digest = parsed.validate(system, county, now), parsed.notice, parsed.fingerprint
    request = NoticeRequest(
        identity=identity,
        problems=problems,
        answerable=None if validate_source(envelope, system) else envelope,
        digest=digest,
    )
    if problems or system is None or notice is None:
        return request
    command = NoticeCommand(
        envelope=envelope, system=system, digest=digest, subject=envelope.subject or "", only_topics=only
    )
    if isinstance(notice, NoticeWithdrawn):
        return replace(request, command=replace(command, reason=notice.reason))
    return replace(request, command=replace(command, content=notice, topic=county.find_topic(notice.topic)))


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
