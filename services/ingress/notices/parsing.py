"""Parsing of notices in HTTP requests: CloudEvents in three modes, and plain JSON with a key.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from email.message import Message as Header
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Raw

from services.ingress.notices.errors import ApiError, ErrorType, FieldError
from services.ingress.notices.plain_json import KEY_FIELD, KEY_HEADER, build_event, parse_key, use_plain_names
from shared.contracts.envelope import CONTENT_TYPE as STRUCTURED
from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.notices.cloudevents import MAX_BODY_BYTES, UnreadableEvent, decode_json, read_event
from shared.notices.configuration import System

BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
ACCEPTED_MEDIA_TYPES = (STRUCTURED, BATCH, JSON)
MAX_BATCH_EVENTS = 100
MAX_EVENT_BYTES = MAX_BODY_BYTES - 1_024  # leaves room for the attributes that we add before publishing over AMQP
MAX_DEPTH = 20
UNREAD_EVENT = Envelope(id="", source="", type="", specversion="1.0")

_ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")
_PREFIX = "ce-"
_NOT_ATTRIBUTES = ("data", "datacontenttype")


@dataclass(frozen=True, kw_only=True)
class RawRequest:
    """HTTP request as received; header names in lower case."""

    headers: Sequence[tuple[str, str]]
    body: bytes

    def get_header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)

    @property
    def is_binary(self) -> bool:
        return any(name.startswith(_PREFIX) for name, _ in self.headers)


@dataclass(frozen=True, kw_only=True)
class ParsedRequest:
    """Events of a request; with `plain`, some fields have other names in the request.

    `wrong` holds what could not be read, in the field names of the request, each with the index of its event, or None
    if it concerns the request. The event itself then holds what could be read of it; UNREAD_EVENT if nothing could.
    """

    events: tuple[Envelope, ...]
    plain: bool = False
    batch: bool = False
    wrong: tuple[tuple[int | None, Problem], ...] = ()

    def translate(self, problem: Problem) -> Problem:
        """Return the problem with the names that fields have in the request."""
        return use_plain_names(problem) if self.plain else problem

    def build_error(self, problem: Problem, event: int | None) -> FieldError:
        return FieldError(field=problem.field, problem=problem.problem, event=event if self.batch else None)

    @property
    def error_type(self) -> ErrorType:
        """Return the type of error for `wrong`: plain JSON with a key always counts as readable."""
        about_request = any(place is None for place, _ in self.wrong)
        return ErrorType.UNREADABLE if about_request or (self.wrong and not self.plain) else ErrorType.INVALID


def parse_request(request: RawRequest, system: System) -> ParsedRequest:
    """Return the events in a request of this system. Raises ApiError if there is none."""
    media = _parse_media_type(request.get_header("content-type"))
    if media == BATCH:
        parsed = _parse_events(_split_batch(request.body), batch=True)
    elif media == STRUCTURED:
        parsed = _parse_events([request.body])
    elif request.is_binary:
        parsed = _parse_events([_join_binary(request, media)])
    else:
        return _parse_plain(request, system)
    given = request.get_header(KEY_HEADER)
    return parsed if given is None else replace(parsed, wrong=(*_parse_key(given)[1], *parsed.wrong))


def _parse_key(given: str | None) -> tuple[str, tuple[tuple[None, Problem], ...]]:
    """Return the key, and its problem if it is invalid."""
    try:
        return parse_key(given), ()
    except ValueError as error:
        return "", ((None, Problem(field=KEY_FIELD, problem=str(error))),)


def _parse_media_type(value: str | None) -> str:
    header = Header()
    header["Content-Type"] = value or ""
    try:
        media, charset = header.get_content_type(), str(header.get_param("charset", "utf-8")).lower()
    except (ValueError, TypeError):  # the library fails on oddly numbered continuations of a parameter
        media = charset = ""
    if not value or media not in ACCEPTED_MEDIA_TYPES or charset not in ("utf-8", "utf8"):
        accepted = ", ".join(ACCEPTED_MEDIA_TYPES)
        raise ApiError(
            ErrorType.MEDIA, f"Content-Type must be one of {accepted}, in UTF-8.", headers={"Accept-Post": accepted}
        )
    return media


def decode_body(body: bytes) -> Any:
    """Decode JSON of any content. Raises ApiError if it is invalid or nested too deeply."""
    try:
        found = decode_json(body)
    except UnreadableEvent as error:
        raise _build_unreadable_error("body", error.problems[0].problem) from None
    if _measure_depth(found) > MAX_DEPTH:
        raise _build_unreadable_error("body", f"is nested more than {MAX_DEPTH} deep")
    return found


def _measure_depth(value: Any) -> int:
    """Return the nesting depth, counted level by level, since the value may be too deep for recursion."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        level = [inner for outer in level for inner in _list_children(outer)]
        depth += 1
    return depth


def _list_children(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _build_unreadable_error(field: str, problem: str) -> ApiError:
    return ApiError(ErrorType.UNREADABLE, errors=[FieldError(field=field, problem=problem)])


def _build_too_large_error() -> ApiError:
    return ApiError(ErrorType.TOO_LARGE, f"An event may have {MAX_EVENT_BYTES} bytes.")


def _split_batch(body: bytes) -> list[bytes]:
    if not isinstance(decode_body(body), list):
        raise _build_unreadable_error("body", "must be a JSON array of events")
    events = msgspec.json.decode(body, type=list[Raw])
    if not 1 <= len(events) <= MAX_BATCH_EVENTS:
        raise _build_unreadable_error("body", f"must have 1 to {MAX_BATCH_EVENTS} events")
    return [bytes(event) for event in events]


def _parse_events(bodies: Sequence[bytes], *, batch: bool = False) -> ParsedRequest:
    read = []
    for body in bodies:
        if len(body) > MAX_EVENT_BYTES:
            raise _build_too_large_error()
        decode_body(body)
        read.append(_read_event(body))
    wrong = tuple((place, problem) for place, (_, problems) in enumerate(read) for problem in problems)
    return ParsedRequest(events=tuple(event for event, _ in read), batch=batch, wrong=wrong)


def _read_event(body: bytes) -> tuple[Envelope, tuple[Problem, ...]]:
    """Return the event as far as it can be read, and the problems of the rest."""
    try:
        return read_event(body), ()
    except UnreadableEvent as error:
        return error.envelope or UNREAD_EVENT, error.problems


def _join_binary(request: RawRequest, media: str) -> bytes:
    """Convert an event in binary mode to structured JSON."""
    decode_body(request.body)
    attributes: dict[str, object] = dict(_read_attributes(request.headers))
    return msgspec.json.encode({**attributes, "datacontenttype": media, "data": Raw(request.body)})


def _read_attributes(headers: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for header, value in headers:
        name = header.removeprefix(_PREFIX)
        if name == header or name in _NOT_ATTRIBUTES:
            continue
        if not _ATTRIBUTE.fullmatch(name) or name in seen:
            raise _build_unreadable_error("headers", "each attribute must stand there once, in letters and digits")
        seen.add(name)
        yield name, _decode_attribute(name, value)


def _decode_attribute(name: str, value: str) -> str:
    """Decode an attribute, whose non-ASCII characters are percent-encoded."""
    try:
        text = unquote(value, errors="strict")
        text.encode()
    except UnicodeError:
        raise _build_unreadable_error(name, "must be percent-encoded UTF-8") from None
    return text


def _parse_plain(request: RawRequest, system: System) -> ParsedRequest:
    content = decode_body(request.body)
    if len(request.body) > MAX_EVENT_BYTES:
        raise _build_too_large_error()
    if not isinstance(content, Mapping):
        raise _build_unreadable_error("body", "must be a JSON object")
    key, about_key = _parse_key(request.get_header(KEY_HEADER))
    body, problems = build_event(content, key, system)
    event, unreadable = _read_event(body)
    wrong = (*about_key, *((0, problem) for problem in (*map(use_plain_names, unreadable), *problems)))
    return ParsedRequest(events=(event,), plain=True, wrong=wrong)
