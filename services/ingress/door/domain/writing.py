"""The ways to write a notice in an HTTP request: CloudEvents in three modes, and plain JSON with a key.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message as Header
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Raw

from services.ingress.door.domain.plain import KEY_HEADER, checked_key, in_plain_words, plain_event
from services.ingress.door.domain.refusals import FieldError, Kind, Refusal
from shared.contracts.envelope import CONTENT_TYPE as STRUCTURED
from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.municipal.binding import LARGEST_BODY
from shared.municipal.reading import Unreadable, read_event
from shared.municipal.systems import System

BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
ACCEPTED = (STRUCTURED, BATCH, JSON)
MOST_EVENTS = 100
LARGEST_EVENT = LARGEST_BODY - 1_024  # with room for what we add before it travels over AMQP
DEEPEST = 20

_ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")
_PREFIX = "ce-"
_NOT_ATTRIBUTES = ("data", "datacontenttype")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What came; header names in lower case."""

    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)

    @property
    def is_binary(self) -> bool:
        return any(name.startswith(_PREFIX) for name, _ in self.headers)


@dataclass(frozen=True, kw_only=True)
class Written:
    """The events of a request. `plain` ones have other names for some fields."""

    events: tuple[Envelope, ...]
    plain: bool = False
    batch: bool = False

    def error(self, problem: Problem, event: int) -> FieldError:
        named = in_plain_words(problem) if self.plain else problem
        return FieldError(field=named.field, problem=named.problem, event=event if self.batch else None)


def read_request(request: Request, system: System) -> Written:
    """The events in a request of this system. Raises Refusal."""
    media = _media_type(request.header("content-type"))
    if (key := request.header(KEY_HEADER)) is not None:
        checked_key(key)
    if media == STRUCTURED:
        return Written(events=tuple(_each([request.body])))
    if media == BATCH:
        return Written(events=tuple(_batch(request.body)), batch=True)
    if request.is_binary:
        return Written(events=tuple(_each([_joined(request, media)])))
    return Written(events=(_plain(request, system),), plain=True)


def _media_type(value: str | None) -> str:
    header = Header()
    header["Content-Type"] = value or ""
    media, charset = header.get_content_type(), str(header.get_param("charset", "utf-8")).lower()
    if not value or media not in ACCEPTED or charset not in ("utf-8", "utf8"):
        accepted = ", ".join(ACCEPTED)
        raise Refusal(
            Kind.MEDIA, f"Content-Type must be one of {accepted}, in UTF-8.", headers={"Accept-Post": accepted}
        )
    return media


def decoded(body: bytes) -> Any:
    """Any JSON that is not nested too deep. Raises Refusal."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _unreadable("body", "is not JSON") from None
    if _depth(found) > DEEPEST:
        raise _unreadable("body", f"is nested more than {DEEPEST} deep")
    return found


def _depth(value: Any) -> int:
    """Level by level, since what is to be found out may be too deep for recursion."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        level = [inner for outer in level for inner in _inside(outer)]
        depth += 1
    return depth


def _inside(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _unreadable(field: str, problem: str) -> Refusal:
    return Refusal(Kind.UNREADABLE, errors=[FieldError(field=field, problem=problem)])


def _too_large() -> Refusal:
    return Refusal(Kind.TOO_LARGE, f"An event may have {LARGEST_EVENT} bytes.")


def _batch(body: bytes) -> list[Envelope]:
    if not isinstance(decoded(body), list):
        raise _unreadable("body", "must be a JSON array of events")
    events = msgspec.json.decode(body, type=list[Raw])
    if not 1 <= len(events) <= MOST_EVENTS:
        raise _unreadable("body", f"must have 1 to {MOST_EVENTS} events")
    return _each([bytes(event) for event in events], batch=True)


def _each(bodies: Sequence[bytes], *, batch: bool = False) -> list[Envelope]:
    """All of them, or a refusal that names what is wrong with each."""
    events, errors = [], []
    for place, body in enumerate(bodies):
        if len(body) > LARGEST_EVENT:
            raise _too_large()
        decoded(body)
        try:
            events.append(read_event(body))
        except Unreadable as error:
            errors += [
                FieldError(field=each.field, problem=each.problem, event=place if batch else None)
                for each in error.problems
            ]
    if errors:
        raise Refusal(Kind.UNREADABLE, errors=errors)
    return events


def _joined(request: Request, media: str) -> bytes:
    """A binary event in structured JSON."""
    decoded(request.body)
    attributes: dict[str, object] = dict(_attributes(request.headers))
    return msgspec.json.encode({**attributes, "datacontenttype": media, "data": Raw(request.body)})


def _attributes(headers: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for header, value in headers:
        name = header.removeprefix(_PREFIX)
        if name == header or name in _NOT_ATTRIBUTES:
            continue
        if not _ATTRIBUTE.fullmatch(name) or name in seen:
            raise _unreadable("headers", "each attribute must stand there once, in letters and digits")
        seen.add(name)
        yield name, _text(name, value)


def _text(name: str, value: str) -> str:
    """What is not ASCII comes percent-encoded."""
    try:
        text = unquote(value, errors="strict")
        text.encode()
    except UnicodeError:
        raise _unreadable(name, "must be percent-encoded UTF-8") from None
    return text


def _plain(request: Request, system: System) -> Envelope:
    content = decoded(request.body)
    if len(request.body) > LARGEST_EVENT:
        raise _too_large()
    if not isinstance(content, Mapping):
        raise _unreadable("body", "must be a JSON object")
    try:
        return read_event(plain_event(content, request.header(KEY_HEADER), system))
    except Unreadable as error:
        named = [in_plain_words(problem) for problem in error.problems]
        raise Refusal(
            Kind.INVALID, errors=[FieldError(field=each.field, problem=each.problem) for each in named]
        ) from None
