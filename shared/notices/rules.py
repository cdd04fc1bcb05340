"""Validation of notices: every problem at once, each with its field and the correction."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeContent, NoticeId, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.notices.cloudevents import NOTICE_TYPES, UnreadableEvent
from shared.notices.configuration import Configuration
from shared.notices.content import has_control_characters, validate_content, validate_links
from shared.notices.schema_errors import find_schema_errors, report_unknown_fields
from shared.notices.systems import NOTICES_API_LOGIN, System

MAX_EXPIRY = timedelta(days=366)

NoticeEvent = NoticePublished | NoticeUpdated | NoticeWithdrawn
_BESIDE_DATA = {
    name: f'"{attribute}" beside data'
    for name, attribute in (
        *((name, name) for name in ("id", "source", "type", "time", "subject", "expirytime")),
        *(("action", "type"), ("notice", "subject"), ("expires_at", "expirytime")),
    )
}


def identify_system(envelope: Envelope, login: str | None) -> str | None:
    """Return the publishing system: the broker login, or the system that the notices API names for its caller.

    None for any other login that names a system.
    """
    if login == NOTICES_API_LOGIN:
        return envelope.kreisfunksystem
    return login if envelope.kreisfunksystem is None else None


def parse_token_topics(envelope: Envelope, login: str | None) -> frozenset[str] | None:
    """Return the topics that the notices API limits this event to; None means all."""
    if login != NOTICES_API_LOGIN or envelope.kreisfunktopics is None:
        return None
    return frozenset(envelope.kreisfunktopics.split(","))


def validate_notice(
    envelope: Envelope, system: System | None, configuration: Configuration, now: datetime
) -> tuple[Problem, ...]:
    """Return every problem of an event of `system`; empty means that it is valid."""
    kind = NOTICE_TYPES.get(envelope.type)
    named = (*validate_source(envelope, system), *_validate_id(envelope))
    if kind is None:
        return (*named, Problem(field="type", problem=f"is none of {', '.join(NOTICE_TYPES)}"))
    return (*named, *_validate_subject(envelope), *_validate_data(envelope, kind, system, configuration, now))


def validate_unreadable(
    error: UnreadableEvent, system: System | None, configuration: Configuration, now: datetime
) -> tuple[Problem, ...]:
    """Return every problem of an unreadable event, including those of its readable part."""
    if error.envelope is None:
        return error.problems
    named = {problem.field for problem in error.problems}
    rest = validate_notice(error.envelope, system, configuration, now)
    return (*error.problems, *(problem for problem in rest if problem.field not in named))


def read_notice(envelope: Envelope) -> NoticeEvent:
    """Return the data of a valid event. Raises msgspec.ValidationError for an invalid one."""
    return msgspec.json.decode(envelope.data, type=NOTICE_TYPES[envelope.type])


def validate_source(envelope: Envelope, system: System | None) -> tuple[Problem, ...]:
    """Return the problems if `system` may not publish for the event's source."""
    if system is None:
        problem = "must be the broker login of a registered system, and the login's own"
        return (Problem(field="user_id", problem=problem),)
    if not _is_owner(system, envelope.source, NOTICE_TYPES.get(envelope.type)):
        problem = f"does not belong to this system, which has {', '.join(system.sources)}"
        return (Problem(field="source", problem=problem),)
    return ()


def _is_owner(system: System, source: str, kind: type[NoticeEvent] | None) -> bool:
    """Return whether the system may use the source; a new notice needs one of its own."""
    return source in system.sources or (kind in (NoticeUpdated, NoticeWithdrawn) and source in system.manages)


def _validate_id(envelope: Envelope) -> Iterator[Problem]:
    if has_control_characters(envelope.id):
        yield Problem(field="id", problem="contains control characters")


def _validate_subject(envelope: Envelope) -> Iterator[Problem]:
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
    return not subject.endswith("\n")  # `$` in the pattern permits a final line break


def _validate_data(
    envelope: Envelope,
    kind: type[NoticeEvent],
    system: System | None,
    configuration: Configuration,
    now: datetime,
) -> Iterator[Problem]:
    if issubclass(kind, NoticeContent):
        yield from _validate_expiry(envelope.expirytime, now)
    data = _decode_data(envelope)
    if not isinstance(data, dict):
        yield Problem(field="data", problem="must be a JSON object")
        return
    shape = (*find_schema_errors(data, kind), *_validate_unknown_fields(data, kind))
    yield from shape
    wrong = frozenset(problem.field for problem in shape)
    if kind is NoticeWithdrawn and "reason" not in wrong:
        yield from _validate_reason(data.get("reason", ""), configuration)
    if issubclass(kind, NoticeContent):
        yield from validate_content(data, wrong, envelope=envelope, system=system, configuration=configuration, now=now)


def _validate_unknown_fields(data: dict[str, Any], kind: type[NoticeEvent]) -> Iterator[Problem]:
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    unknown = [name for name in data if name not in known]
    if kind is NoticePublished and "revision" in unknown:
        unknown.remove("revision")
        yield Problem(field="revision", problem="is for an update: leave it out, or send an update")
    yield from report_unknown_fields(unknown, known, _BESIDE_DATA)


def _validate_reason(reason: str, configuration: Configuration) -> Iterator[Problem]:
    if has_control_characters(reason):
        yield Problem(field="reason", problem="contains control characters")
    else:
        yield from validate_links("reason", reason, configuration)


def _validate_expiry(expirytime: datetime | None, now: datetime) -> Iterator[Problem]:
    if expirytime is None:
        yield Problem(
            field="expirytime", problem="is missing: the moment after which nobody may get it, with an offset"
        )
    elif expirytime <= now:
        yield Problem(field="expirytime", problem="is in the past")
    elif expirytime > now + MAX_EXPIRY:
        yield Problem(field="expirytime", problem=f"must be within {MAX_EXPIRY.days} days")


def _decode_data(envelope: Envelope) -> Any:
    try:
        return msgspec.json.decode(envelope.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
