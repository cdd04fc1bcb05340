"""What is wrong with a notice: every problem at once, each with its field and what would be right."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeContent, NoticeId, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.municipal.configuration import Configuration
from shared.municipal.content import content_problems, has_control_characters, link_problems
from shared.municipal.reading import NOTICE_TYPES, Unreadable
from shared.municipal.shapes import shape_problems, unknown_problems
from shared.municipal.systems import DOOR, System

LATEST_EXPIRY = timedelta(days=366)

NoticeEvent = NoticePublished | NoticeUpdated | NoticeWithdrawn
_BESIDE_DATA = {
    name: f'"{attribute}" beside data'
    for name, attribute in (
        *((name, name) for name in ("id", "source", "type", "time", "subject", "expirytime")),
        *(("action", "type"), ("notice", "subject"), ("expires_at", "expirytime")),
    )
}


def system_name(envelope: Envelope, login: str | None) -> str | None:
    """Who published: the broker login, or the system that the HTTP door names. Anybody else who names one is nobody."""
    if login == DOOR:
        return envelope.kreisfunksystem
    return login if envelope.kreisfunksystem is None else None


def only_topics(envelope: Envelope, login: str | None) -> frozenset[str] | None:
    """The topics whose notices this event may be about, where the door bound it to some; None is all."""
    if login != DOOR or envelope.kreisfunktopics is None:
        return None
    return frozenset(envelope.kreisfunktopics.split(","))


def notice_problems(
    envelope: Envelope, system: System | None, configuration: Configuration, now: datetime
) -> tuple[Problem, ...]:
    """All that keeps an event of `system` from being obeyed; empty means nothing does."""
    kind = NOTICE_TYPES.get(envelope.type)
    named = (*origin_problems(envelope, system), *_id(envelope))
    if kind is None:
        return (*named, Problem(field="type", problem=f"is none of {', '.join(NOTICE_TYPES)}"))
    return (*named, *_subject(envelope), *_rest(envelope, kind, system, configuration, now))


def unreadable_problems(
    error: Unreadable, system: System | None, configuration: Configuration, now: datetime
) -> tuple[Problem, ...]:
    """Return what is wrong with an event that cannot be read, and with what can be read of it."""
    if error.envelope is None:
        return error.problems
    named = {problem.field for problem in error.problems}
    rest = notice_problems(error.envelope, system, configuration, now)
    return (*error.problems, *(problem for problem in rest if problem.field not in named))


def read_notice(envelope: Envelope) -> NoticeEvent:
    """The data of an event that has no problems. Raises msgspec.ValidationError for another one."""
    return msgspec.json.decode(envelope.data, type=NOTICE_TYPES[envelope.type])


def origin_problems(envelope: Envelope, system: System | None) -> tuple[Problem, ...]:
    """What keeps `system` from speaking for the event's source."""
    if system is None:
        problem = "must be the broker login of a registered system, and the login's own"
        return (Problem(field="user_id", problem=problem),)
    if not _owns(system, envelope.source, NOTICE_TYPES.get(envelope.type)):
        problem = f"does not belong to this system, which has {', '.join(system.sources)}"
        return (Problem(field="source", problem=problem),)
    return ()


def _owns(system: System, source: str, kind: type[NoticeEvent] | None) -> bool:
    """A new notice is published under a source of one's own."""
    return source in system.sources or (kind in (NoticeUpdated, NoticeWithdrawn) and source in system.manages)


def _id(envelope: Envelope) -> Iterator[Problem]:
    if has_control_characters(envelope.id):
        yield Problem(field="id", problem="contains control characters")


def _subject(envelope: Envelope) -> Iterator[Problem]:
    if envelope.subject is None:
        yield Problem(field="subject", problem="is missing: the notice's id, which stays the same when it changes")
        return
    if not _is_notice_id(envelope.subject):
        yield Problem(field="subject", problem="must be 1 to 100 of letters, digits and . _ : -")


def _is_notice_id(subject: str) -> bool:
    try:
        msgspec.convert(subject, NoticeId)
    except msgspec.ValidationError:
        return False
    return not subject.endswith("\n")  # which the pattern's end does not see


def _rest(
    envelope: Envelope,
    kind: type[NoticeEvent],
    system: System | None,
    configuration: Configuration,
    now: datetime,
) -> Iterator[Problem]:
    if issubclass(kind, NoticeContent):
        yield from _expiry(envelope.expirytime, now)
    data = _decoded(envelope)
    if not isinstance(data, dict):
        yield Problem(field="data", problem="must be a JSON object")
        return
    shape = (*shape_problems(data, kind), *_unknown(data, kind))
    yield from shape
    wrong = frozenset(problem.field for problem in shape)
    if kind is NoticeWithdrawn and "reason" not in wrong:
        yield from _reason(data.get("reason", ""), configuration)
    if issubclass(kind, NoticeContent):
        yield from content_problems(data, wrong, envelope=envelope, system=system, configuration=configuration, now=now)


def _unknown(data: dict[str, Any], kind: type[NoticeEvent]) -> Iterator[Problem]:
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    unknown = [name for name in data if name not in known]
    if kind is NoticePublished and "revision" in unknown:
        unknown.remove("revision")
        yield Problem(field="revision", problem="is for an update: leave it out, or send an update")
    yield from unknown_problems(unknown, known, _BESIDE_DATA)


def _reason(reason: str, configuration: Configuration) -> Iterator[Problem]:
    if has_control_characters(reason):
        yield Problem(field="reason", problem="contains control characters")
    else:
        yield from link_problems("reason", reason, configuration)


def _expiry(expirytime: datetime | None, now: datetime) -> Iterator[Problem]:
    if expirytime is None:
        yield Problem(
            field="expirytime", problem="is missing: the moment after which nobody may get it, with an offset"
        )
    elif expirytime <= now:
        yield Problem(field="expirytime", problem="is in the past")
    elif expirytime > now + LATEST_EXPIRY:
        yield Problem(field="expirytime", problem=f"must be within {LATEST_EXPIRY.days} days")


def _decoded(envelope: Envelope) -> Any:
    try:
        return msgspec.json.decode(envelope.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
