"""Validation of notices: every problem at once, each with its field and the correction."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.contracts.notices import (
    NoticeContent,
    NoticeEvent,
    NoticeId,
    NoticeUpdated,
    NoticeWithdrawn,
)
from shared.contracts.text import count_units
from shared.notices.cloudevents import NOTICE_TYPES, UnreadableEvent, read_event
from shared.notices.configuration import Configuration, System, Topic
from shared.notices.links import contains_foreign_host
from shared.notices.schema_errors import find_schema_errors, report_unknown_fields

MAX_EXPIRY = timedelta(days=366)

_BESIDE_DATA = {
    name: f'"{attribute}" beside data'
    for name, attribute in (
        *((name, name) for name in ("id", "source", "type", "time", "subject", "expirytime")),
        *(("action", "type"), ("notice", "subject"), ("expires_at", "expirytime")),
    )
}


@dataclass(frozen=True, kw_only=True)
class ParsedNotice:
    """Event whose data is decoded once: to `data` as JSON, and if it is valid by its schema, to `notice`."""

    envelope: Envelope
    data: Any
    notice: NoticeEvent | None

    @cached_property
    def fingerprint(self) -> bytes:
        """Return a digest that is equal for the same event, regardless of its formatting and transport."""
        envelope = self.envelope
        expiry = envelope.expirytime.timestamp() if envelope.expirytime else None
        parts = (envelope.type, envelope.subject, expiry)
        return hashlib.sha256(msgspec.json.encode(parts) + self._encode_notice()).digest()

    def _encode_notice(self) -> bytes:
        if self.notice is None:
            return bytes(self.envelope.data)
        scheduled_at = self.notice.scheduled_at if isinstance(self.notice, NoticeContent) else None
        timeless = msgspec.structs.replace(self.notice, scheduled_at=None) if scheduled_at else self.notice
        return msgspec.json.encode((timeless, scheduled_at.timestamp() if scheduled_at else None))

    def validate(self, system: System | None, configuration: Configuration, now: datetime) -> tuple[Problem, ...]:
        """Return all problems of the event of `system`; none means that it is valid."""
        envelope, event_type = self.envelope, NOTICE_TYPES.get(self.envelope.type)
        problems = (*validate_source(envelope, system), *_validate_id(envelope))
        if event_type is None:
            return (*problems, Problem(field="type", problem=f"is none of {', '.join(NOTICE_TYPES)}"))
        return (*problems, *_validate_subject(envelope), *_validate_data(self, event_type, system, configuration, now))


def parse_notice(envelope: Envelope) -> ParsedNotice:
    """Return an event with its data, as far as they can be decoded."""
    data, event_type = _decode_data(envelope), NOTICE_TYPES.get(envelope.type)
    try:
        notice = msgspec.convert(data, event_type) if event_type else None
    except (msgspec.ValidationError, RecursionError):
        notice = None
    return ParsedNotice(envelope=envelope, data=data, notice=notice)


def validate_unreadable(
    error: UnreadableEvent, system: System | None, configuration: Configuration, now: datetime
) -> tuple[Problem, ...]:
    """Return all problems of an unreadable event, including those of its readable part."""
    if error.envelope is None:
        return error.problems
    unreadable_fields = {problem.field for problem in error.problems}
    problems = parse_notice(error.envelope).validate(system, configuration, now)
    return (*error.problems, *(problem for problem in problems if problem.field not in unreadable_fields))


def validate_source(envelope: Envelope, system: System | None) -> tuple[Problem, ...]:
    """Return a problem unless `system` may publish for the event's source."""
    if system is None:
        problem = "must be your own broker login, registered for a system"
        return (Problem(field="user_id", problem=problem),)
    if not _is_owner(system, envelope.source, NOTICE_TYPES.get(envelope.type)):
        problem = f"does not belong to this system, which has {', '.join(system.sources)}"
        return (Problem(field="source", problem=problem),)
    return ()


def _is_owner(system: System, source: str, event_type: type[NoticeEvent] | None) -> bool:
    """Return whether the system may use the source; a new notice needs one of the system's own."""
    return source in system.sources or (event_type in (NoticeUpdated, NoticeWithdrawn) and source in system.manages)


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
    parsed: ParsedNotice,
    event_type: type[NoticeEvent],
    system: System | None,
    configuration: Configuration,
    now: datetime,
) -> Iterator[Problem]:
    envelope, data = parsed.envelope, parsed.data
    if issubclass(event_type, NoticeContent):
        yield from _validate_expiry(envelope.expirytime, now)
    if not isinstance(data, dict):
        yield Problem(field="data", problem="must be a JSON object")
        return
    schema_errors = map(_explain_missing_revision, find_schema_errors(data, event_type))
    problems = (*schema_errors, *_validate_unknown_fields(data, event_type))
    yield from problems
    invalid = frozenset(problem.field for problem in problems)
    if event_type is NoticeWithdrawn and "reason" not in invalid:
        yield from _validate_reason(data.get("reason", ""), configuration)
    if issubclass(event_type, NoticeContent):
        yield from validate_content(
            data, invalid, envelope=envelope, system=system, configuration=configuration, now=now
        )


def _explain_missing_revision(problem: Problem) -> Problem:
    if (problem.field, problem.problem) != ("revision", "is missing"):
        return problem
    return Problem(field="revision", problem="is missing: 2 for the first update, counting up")


def _validate_unknown_fields(data: dict[str, Any], event_type: type[NoticeEvent]) -> Iterator[Problem]:
    known = event_type.__struct_encode_fields__  # msgspec.structs.fields resolves all annotations, each time
    unknown = [name for name in data if name not in known]
    if "revision" in unknown:
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
        yield Problem(field="expirytime", problem="is missing: the time after which it is no longer sent")
    elif expirytime <= now:
        yield Problem(field="expirytime", problem="is in the past")
    elif expirytime > now + MAX_EXPIRY:
        yield Problem(field="expirytime", problem=f"must be within {MAX_EXPIRY.days} days")


def _decode_data(envelope: Envelope) -> Any:
    try:
        return msgspec.json.decode(envelope.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


# A template's body may have 1,024 characters, of which our fixed text takes less than 150.
MAX_CONTENT_LENGTH = 870

_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINE_BREAKS = re.compile("[\n\r\t\v\f\x1c-\x1e\x85\u2028\u2029]")
_GAP = re.compile(r" {5}")
_PLACEHOLDER = re.compile(r"\{\{|\}\}")


def validate_content(
    data: Mapping[str, Any],
    invalid: frozenset[str],
    *,
    envelope: Envelope,
    system: System | None,
    configuration: Configuration,
    now: datetime,
) -> Iterator[Problem]:
    """Yield the problems of the fields without schema errors; those in `invalid` have one."""
    values = {field: value for field, value in data.items() if field not in invalid and value is not None}
    topic = configuration.find_topic(values.get("topic", ""))
    if "topic" in values:
        yield from _validate_topic(values["topic"], system, configuration)
    yield from _validate_municipalities(values.get("municipalities", ()), topic, configuration)
    for field in _select_present(values, "headline", "text"):
        problems = (*_validate_characters(field, values[field]), *validate_links(field, values[field], configuration))
        yield from problems[:1]
    for field in _select_present(values, "link", "picture"):
        yield from validate_url(field, values[field], configuration)
    if "picture" in values and topic is not None and topic.picture_template is None:
        yield Problem(field="picture", problem=f"the topic {topic.id} has no template with a picture")
    yield from _validate_timing(values, envelope, now)
    if "follows" in values and values["follows"] == envelope.subject:
        yield Problem(field="follows", problem="must be another notice")
    if not invalid & {"headline", "text", "link"}:
        yield from _validate_total_length(values)


def has_control_characters(text: str) -> bool:
    """Return whether the text contains control characters, which neither readers nor a database should receive."""
    return any(unicodedata.category(letter) in ("Cc", "Cs") or letter in _BIDIRECTIONAL for letter in text)


def validate_links(field: str, text: str, configuration: Configuration) -> Iterator[Problem]:
    """Yield a problem if the text contains a web address whose host may not be linked to."""
    if contains_foreign_host(text, configuration.link_hosts):
        hosts = ", ".join(configuration.link_hosts) or "(none)"
        problem = f"contains an address that may not be linked to (only {hosts}): remove it"
        yield Problem(field=field, problem=f"{problem}; if it is not an address, write a space after the full stop")


def _select_present(values: Mapping[str, Any], *fields: str) -> tuple[str, ...]:
    return tuple(field for field in fields if field in values)


def _validate_topic(topic: str, system: System | None, configuration: Configuration) -> Iterator[Problem]:
    permitted = system.topics if system else tuple(sorted(configuration.topic_ids))
    if topic not in permitted:
        yield Problem(field="topic", problem=f"this system may publish about {', '.join(permitted)} only")


def _validate_municipalities(
    names: Sequence[str], topic: Topic | None, configuration: Configuration
) -> Iterator[Problem]:
    unknown = [name for name in names if name not in configuration.municipalities]
    if unknown:
        known = ", ".join(configuration.municipalities) or "(none)"
        yield Problem(field="municipalities", problem=f"{len(unknown)} of them unknown; the county has {known}")
    if names and topic is not None and not topic.local:
        local = ", ".join(sorted(configuration.local_topics)) or "(none)"
        yield Problem(field="municipalities", problem=f"only for the local topics {local}")


def _validate_characters(field: str, text: str) -> Iterator[Problem]:
    """Yield the first problem with characters that Meta refuses in a template parameter, or that could deceive."""
    if all(letter.isspace() or unicodedata.category(letter) == "Cf" for letter in text):
        yield Problem(field=field, problem="is blank")
    elif _LINE_BREAKS.search(text):
        yield Problem(field=field, problem="contains a line break or a tab; WhatsApp allows neither, write one line")
    elif has_control_characters(text):
        yield Problem(field=field, problem="contains control characters")
    elif _GAP.search(text):
        yield Problem(field=field, problem="contains more than 4 spaces in a row; WhatsApp allows no more")
    elif _PLACEHOLDER.search(text):
        yield Problem(field=field, problem="contains {{ or }}, which mark placeholders of a template")


def validate_url(field: str, address: str, configuration: Configuration) -> Iterator[Problem]:
    """Yield a problem if the address, which the schema permits, may not be linked to."""
    try:
        parts = urlsplit(address)
        is_plain = parts.username is None and parts.password is None and parts.port in (None, 443)
    except ValueError:
        yield Problem(field=field, problem="is not a valid address")
        return
    if parts.hostname not in configuration.link_hosts:
        yield Problem(field=field, problem=f"its host must be one of {', '.join(configuration.link_hosts) or '(none)'}")
    elif not is_plain:
        yield Problem(field=field, problem="must have neither a login nor a port")
    elif not address.isprintable():
        yield Problem(field=field, problem="contains control characters")


def _validate_timing(values: Mapping[str, Any], envelope: Envelope, now: datetime) -> Iterator[Problem]:
    """Yield the problems with times; an event sent before `scheduled_at` but validated later begins at once."""
    begins_at, expirytime = now, envelope.expirytime
    if "scheduled_at" in values:
        begins_at = msgspec.convert(values["scheduled_at"], datetime)
        was_ahead = begins_at > envelope.time > now - MAX_EXPIRY  # False for an event without a time
        if begins_at <= now and not was_ahead:
            yield Problem(field="scheduled_at", problem="is in the past; leave it out to send at once")
        if expirytime is not None and begins_at >= expirytime:
            yield Problem(field="scheduled_at", problem="must be before expirytime")
    if "spread_minutes" in values:
        yield from _validate_spread(values, max(begins_at, now), expirytime)


def _validate_spread(values: Mapping[str, Any], begins_at: datetime, expirytime: datetime | None) -> Iterator[Problem]:
    if values.get("urgent") is True:
        yield Problem(field="spread_minutes", problem="is not permitted for an urgent notice")
    if values.get("follows") is not None:
        yield Problem(field="spread_minutes", problem="is not permitted for a notice that follows another")
    if expirytime is not None and expirytime - begins_at < timedelta(minutes=values["spread_minutes"]):
        yield Problem(field="spread_minutes", problem="extends beyond expirytime")


def _validate_total_length(values: Mapping[str, Any]) -> Iterator[Problem]:
    text = "".join(values.get(field) or "" for field in ("headline", "text", "link"))
    length = count_units(text)
    if length > MAX_CONTENT_LENGTH:
        yield Problem(
            field="text",
            problem=f"headline, text and link have {length} characters; {MAX_CONTENT_LENGTH} is the limit",
        )


ID_REUSED = Problem(field="id", problem="was used for another event of this source; each event needs its own id")


def validate_event(
    event: bytes, system: System | None, configuration: Configuration, now: datetime
) -> tuple[Problem, ...]:
    """Return all problems of one event of `system`, in structured JSON; none means that it can be accepted.

    Entry point for callers that answer at once, such as newsroom and feeds. `system` is
    `configuration.find_system(name)` for the authenticated caller; None, for an unknown one, is a problem. The function
    is pure and needs neither database nor broker. The event may therefore still be rejected (`notice.rejected`): its id
    was used for another event, the revision is not the next one, the notice was withdrawn, `follows` names no notice,
    or a quota is used up. No problem repeats a value.
    """
    try:
        envelope = read_event(event)
    except UnreadableEvent as error:
        return validate_unreadable(error, system, configuration, now)
    return parse_notice(envelope).validate(system, configuration, now)
