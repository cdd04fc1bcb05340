"""Parsing of notices in HTTP requests: CloudEvents in three modes, and plain JSON, a notice without an envelope.

Plain JSON with the same key is the same event. CloudEvents:
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import unquote

import msgspec
from msgspec import Meta, Raw, Struct

from services.ingress.notices.errors import ApiError, ErrorType
from shared.contracts.envelope import CONTENT_TYPE as STRUCTURED
from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.contracts.message import Moment
from shared.contracts.notices import NoticeContent, NoticeId
from shared.contracts.notices_http import ACTIONS, FieldError
from shared.notices.cloudevents import (
    MAX_BODY_BYTES,
    MAX_FIELD_LENGTH,
    UnreadableEvent,
    collect_attributes,
    convert_event,
    decode_json,
    parse_content_type,
)
from shared.notices.configuration import ShortText, System
from shared.notices.rules import ParsedNotice, parse_notice
from shared.notices.schema_errors import report_unknown_fields

JSON = "application/json"
KEY_FIELD = "Idempotency-Key"
KEY_HEADER = KEY_FIELD.lower()
MAX_KEY_LENGTH = 200

_KEY = re.compile(rf"[\x21-\x7e](?:[\x20-\x7e]{{0,{MAX_KEY_LENGTH - 2}}}[\x21-\x7e])?")
_NAMES = {"expirytime": "expires_at", "id": KEY_FIELD, "subject": "notice", "type": "action"}
_FIELD_HINTS = {theirs: f'"{ours}"' for theirs, ours in _NAMES.items()}
_FIELD_HINTS["specversion"] = f"Content-Type: {STRUCTURED}"  # the commonest mistake with an event
_ENVELOPE = ("action", "notice", "expires_at", "source")


class PlainPublish(NoticeContent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new notice; without `notice`, its id is derived from the key. `source` is needed if the system has several."""

    expires_at: Moment
    action: Literal["publish"] = "publish"
    notice: NoticeId | None = None
    source: ShortText | None = None


class PlainUpdate(NoticeContent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next revision of a notice, complete."""

    action: Literal["update"]
    notice: NoticeId
    revision: Annotated[int, Meta(ge=2, le=1_000_000)]
    expires_at: Moment
    source: ShortText | None = None


class PlainWithdraw(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Withdrawal of a notice: it is not sent to anyone else."""

    action: Literal["withdraw"]
    notice: NoticeId
    reason: Annotated[str, Meta(max_length=200)] = ""
    source: ShortText | None = None


PUBLISH = "publish"
PLAIN_TYPES: Mapping[str, type[Struct]] = {PUBLISH: PlainPublish, "update": PlainUpdate, "withdraw": PlainWithdraw}
_FIELDS = {
    action: [field.encode_name for field in msgspec.structs.fields(plain)] for action, plain in PLAIN_TYPES.items()
}


def find_plain_problems(content: Mapping[str, Any], system: System) -> Sequence[Problem]:
    """Return the problems that only plain JSON can have: an unknown action or field, or no choice among sources."""
    action = _choose_action(content)
    fields, problems = _FIELDS[action], []
    if content.get("action", PUBLISH) != action:
        problems.append(Problem(field="action", problem=f"must be one of {', '.join(ACTIONS)}"))
    if content.get("source") is None and len(system.sources) > 1:
        problems.append(Problem(field="source", problem=f"is missing: one of {', '.join(system.sources)}"))
    unknown = [name for name in content if name not in fields]
    if "revision" in unknown:
        unknown.remove("revision")
        problems.append(Problem(field="revision", problem='is for updates: leave it out, or add "action": "update"'))
    return *problems, *report_unknown_fields(unknown, fields, _FIELD_HINTS)


def build_event(content: Mapping[str, Any], key: str, system: System) -> dict[str, Any]:
    """Return the event as decoded JSON; `key` may be empty if it is invalid.

    Invalid parts get a valid placeholder, so that the rest is still validated.
    """
    action, hexadecimal = _choose_action(content), _derive_id(key, system.name)
    fields, source, subject = _FIELDS[action], content.get("source"), content.get("notice")
    event = {
        "specversion": "1.0",
        "id": hexadecimal[:32],
        "source": system.sources[0] if source is None else source,
        "type": ACTIONS[action].TYPE,
        "datacontenttype": JSON,
        "data": {name: value for name, value in content.items() if name in fields and name not in _ENVELOPE},
    }
    if subject is not None or action == PUBLISH:
        event["subject"] = hexadecimal[32:52] if subject is None else subject
    if "expires_at" in fields:
        event["expirytime"] = content.get("expires_at")
    return event


def _choose_action(content: Mapping[str, Any]) -> str:
    """Return the action; "publish" instead of an unknown one."""
    action = content.get("action")
    return action if isinstance(action, str) and action in ACTIONS else PUBLISH


def use_plain_names(problem: Problem) -> Problem:
    """Return the problem with the field names of plain JSON."""
    return Problem(
        field=_NAMES.get(problem.field, problem.field), problem=problem.problem.replace("expirytime", "expires_at")
    )


def _derive_id(key: str, system: str) -> str:
    return sha256(f"{system}\0{key}".encode()).hexdigest()


BATCH = "application/cloudevents-batch+json"
ACCEPTED_MEDIA_TYPES = (STRUCTURED, BATCH, JSON)
MAX_BATCH_EVENTS = 100
MAX_EVENT_BYTES = MAX_BODY_BYTES - 1_024  # leaves room for the attributes that we add before publishing over AMQP
MAX_DEPTH = 20
UNREAD_EVENT = parse_notice(Envelope(id="", source="", type="", specversion="1.0"))

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_PREFIX = "ce-"


class RawRequest(NamedTuple):
    """HTTP request as received; header names in lower case."""

    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class ParsedRequest:
    """Events of a request; with `plain`, some fields have other names in the request.

    `problems` lists unreadable parts by the field names of the request, each with the index of its event, or None for
    the request itself. Such an event contains its readable parts; UNREAD_EVENT if there are none.
    """

    events: tuple[ParsedNotice, ...]
    plain: bool = False
    batch: bool = False
    problems: tuple[tuple[int | None, Problem], ...] = ()

    def translate(self, problem: Problem) -> Problem:
        """Return the problem with the names that fields have in the request."""
        return use_plain_names(problem) if self.plain else problem

    def build_error(self, problem: Problem, event: int | None) -> FieldError:
        return FieldError(field=problem.field, problem=problem.problem, event=event if self.batch else None)

    @property
    def error_type(self) -> ErrorType:
        """Return the type of error for `problems`: plain JSON with a key always counts as readable."""
        about_request = any(index is None for index, _ in self.problems)
        return ErrorType.UNREADABLE if about_request or (self.problems and not self.plain) else ErrorType.INVALID


def parse_request(request: RawRequest, system: System) -> ParsedRequest:
    """Return the events in a request of this system. Raises ApiError if there is none."""
    media_type = _parse_media_type(next((value for name, value in request.headers if name == "content-type"), ""))
    keys = {value for name, value in request.headers if name == KEY_HEADER}
    plain = media_type == JSON and not any(name.startswith(_PREFIX) for name, _ in request.headers)
    key, key_problems = _parse_key(keys) if plain or keys else ("", ())
    decoded = _decode_body(request.body, plain=plain, batch=media_type == BATCH)
    contents: Sequence[Any] = decoded if media_type == BATCH else [decoded]
    content_problems: Sequence[Problem] = ()
    if plain:
        contents, content_problems = [build_event(decoded, key, system)], find_plain_problems(decoded, system)
    elif media_type == JSON:
        attributes, content_problems = collect_attributes(_decode_attributes(request.headers))
        contents = [{**attributes, "datacontenttype": JSON, "data": decoded}]
    problems: list[tuple[int | None, Problem]] = [*key_problems]
    events = []
    for index, content in enumerate(contents):
        try:
            events.append(parse_notice(convert_event(content)))
        except UnreadableEvent as error:
            events.append(parse_notice(error.envelope) if error.envelope else UNREAD_EVENT)
            problems += [(index, use_plain_names(problem) if plain else problem) for problem in error.problems]
    problems += [(0, problem) for problem in content_problems]
    return ParsedRequest(events=tuple(events), plain=plain, batch=media_type == BATCH, problems=tuple(problems))


def _parse_key(headers: Set[str]) -> tuple[str, tuple[tuple[None, Problem], ...]]:
    """Return the key without its quotes, and its problem if it is invalid."""
    if len(headers) > 1:
        return "", ((None, Problem(field=KEY_FIELD, problem="is given twice, in different ways")),)
    key = next(iter(headers), "").strip()
    if len(key) > 1 and key[0] == key[-1] == '"':  # a string of a structured field, RFC 9651
        key = key[1:-1]
    if _KEY.fullmatch(key):
        return key, ()
    problem = f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters" if key else "is missing"
    return "", ((None, Problem(field=KEY_FIELD, problem=problem)),)


def _parse_media_type(value: str) -> str:
    media_type, charset = parse_content_type(value)
    if media_type not in ACCEPTED_MEDIA_TYPES or charset not in ("utf-8", "utf8"):
        accepted = ", ".join(ACCEPTED_MEDIA_TYPES)
        raise ApiError(
            ErrorType.MEDIA, f"Content-Type must be one of {accepted}, in UTF-8.", headers={"Accept-Post": accepted}
        )
    return media_type


def _decode_body(body: bytes, *, plain: bool, batch: bool) -> Any:
    """Return the decoded body, which has the structure and size of its mode. Raises ApiError."""
    if not batch:
        _check_size(body)
    try:
        decoded = decode_json(body)
    except UnreadableEvent as error:
        raise _build_unreadable_error("body", error.problems[0].problem) from None
    _check_shape(decoded, body, plain=plain, batch=batch)
    return decoded


def _check_shape(decoded: Any, body: bytes, *, plain: bool, batch: bool) -> None:
    if not _is_shallow(decoded, MAX_DEPTH):
        raise _build_unreadable_error("body", f"is nested more than {MAX_DEPTH} levels deep")
    if plain and not isinstance(decoded, dict):
        raise _build_unreadable_error("body", "must be a JSON object")
    if not batch:
        return
    if not isinstance(decoded, list):
        raise _build_unreadable_error("body", "must be a JSON array of events")
    if not 1 <= len(decoded) <= MAX_BATCH_EVENTS:
        raise _build_unreadable_error("body", f"must have 1 to {MAX_BATCH_EVENTS} events")
    for event in msgspec.json.decode(body, type=list[Raw]):
        _check_size(bytes(event))


def _is_shallow(value: Any, levels: int) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not children or (levels > 0 and all(_is_shallow(child, levels - 1) for child in children))


def _build_unreadable_error(field: str, problem: str) -> ApiError:
    return ApiError(ErrorType.UNREADABLE, errors=[FieldError(field=field, problem=problem)])


def _check_size(content: bytes) -> None:
    if len(content) > MAX_EVENT_BYTES:
        raise ApiError(ErrorType.TOO_LARGE, f"An event may have at most {MAX_EVENT_BYTES} bytes.")


def _decode_attributes(headers: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Decode the event's attributes, whose non-ASCII characters are percent-encoded; older clients quote the values."""
    for header, value in headers:
        if not header.startswith(_PREFIX):
            continue
        quoted = _QUOTED.fullmatch(value)
        try:
            text = unquote(_ESCAPE.sub(r"\1", quoted[1]) if quoted else value, errors="strict")
            text.encode()
        except UnicodeError:
            name = header.removeprefix(_PREFIX)[:MAX_FIELD_LENGTH]
            raise _build_unreadable_error(name, "must be percent-encoded UTF-8") from None
        yield header, text
