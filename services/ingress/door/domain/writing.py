"""The ways to write a notice in an HTTP request: CloudEvents in three modes, and plain JSON with a key.

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

from services.ingress.door.domain.plain import KEY_FIELD, KEY_HEADER, in_plain_words, plain_event, read_key
from services.ingress.door.domain.refusals import FieldError, Kind, Refusal
from shared.contracts.envelope import CONTENT_TYPE as STRUCTURED
from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.municipal.binding import LARGEST_BODY
from shared.municipal.reading import Unreadable, decode_json, read_event
from shared.municipal.systems import System

BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
ACCEPTED = (STRUCTURED, BATCH, JSON)
MOST_EVENTS = 100
LARGEST_EVENT = LARGEST_BODY - 1_024  # with room for what we add before it travels over AMQP
DEEPEST = 20
UNREAD = Envelope(id="", source="", type="", specversion="1.0")

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
    """The events of a request. `plain` ones have other names for some fields.

    `wrong` is what could not be read, in the words of the request, each with the place of its event, or None if it is
    about the request. Such an event is what could be read of it; UNREAD if nothing could.
    """

    events: tuple[Envelope, ...]
    plain: bool = False
    batch: bool = False
    wrong: tuple[tuple[int | None, Problem], ...] = ()

    def translate(self, problem: Problem) -> Problem:
        """Return the problem with the names that fields have in the request."""
        return in_plain_words(problem) if self.plain else problem

    def error(self, problem: Problem, event: int | None) -> FieldError:
        return FieldError(field=problem.field, problem=problem.problem, event=event if self.batch else None)

    @property
    def kind(self) -> Kind:
        """How it is refused: plain JSON with a key can be read, whatever is wrong in it."""
        about_request = any(place is None for place, _ in self.wrong)
        return Kind.UNREADABLE if about_request or (self.wrong and not self.plain) else Kind.INVALID


def read_request(request: Request, system: System) -> Written:
    """The events in a request of this system. Raises Refusal if there is none."""
    media = _media_type(request.header("content-type"))
    if media == BATCH:
        written = _each(_batch(request.body), batch=True)
    elif media == STRUCTURED:
        written = _each([request.body])
    elif request.is_binary:
        written = _each([_joined(request, media)])
    else:
        return _plain(request, system)
    given = request.header(KEY_HEADER)
    return written if given is None else replace(written, wrong=(*_key(given)[1], *written.wrong))


def _key(given: str | None) -> tuple[str, tuple[tuple[None, Problem], ...]]:
    """The key, and what is wrong with it."""
    try:
        return read_key(given), ()
    except ValueError as error:
        return "", ((None, Problem(field=KEY_FIELD, problem=str(error))),)


def _media_type(value: str | None) -> str:
    header = Header()
    header["Content-Type"] = value or ""
    try:
        media, charset = header.get_content_type(), str(header.get_param("charset", "utf-8")).lower()
    except (ValueError, TypeError):  # over parameters in parts that are numbered oddly, the library stumbles
        media = charset = ""
    if not value or media not in ACCEPTED or charset not in ("utf-8", "utf8"):
        accepted = ", ".join(ACCEPTED)
        raise Refusal(
            Kind.MEDIA, f"Content-Type must be one of {accepted}, in UTF-8.", headers={"Accept-Post": accepted}
        )
    return media


def decoded(body: bytes) -> Any:
    """Any JSON that is not nested too deep. Raises Refusal."""
    try:
        found = decode_json(body)
    except Unreadable as error:
        raise _unreadable("body", error.problems[0].problem) from None
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


def _batch(body: bytes) -> list[bytes]:
    if not isinstance(decoded(body), list):
        raise _unreadable("body", "must be a JSON array of events")
    events = msgspec.json.decode(body, type=list[Raw])
    if not 1 <= len(events) <= MOST_EVENTS:
        raise _unreadable("body", f"must have 1 to {MOST_EVENTS} events")
    return [bytes(event) for event in events]


def _each(bodies: Sequence[bytes], *, batch: bool = False) -> Written:
    read = []
    for body in bodies:
        if len(body) > LARGEST_EVENT:
            raise _too_large()
        decoded(body)
        read.append(_read(body))
    wrong = tuple((place, problem) for place, (_, problems) in enumerate(read) for problem in problems)
    return Written(events=tuple(event for event, _ in read), batch=batch, wrong=wrong)


def _read(body: bytes) -> tuple[Envelope, tuple[Problem, ...]]:
    """The event as far as it can be read, and what is wrong with the rest."""
    try:
        return read_event(body), ()
    except Unreadable as error:
        return error.envelope or UNREAD, error.problems


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


def _plain(request: Request, system: System) -> Written:
    content = decoded(request.body)
    if len(request.body) > LARGEST_EVENT:
        raise _too_large()
    if not isinstance(content, Mapping):
        raise _unreadable("body", "must be a JSON object")
    key, about_key = _key(request.header(KEY_HEADER))
    body, problems = plain_event(content, key, system)
    event, unreadable = _read(body)
    wrong = (*about_key, *((0, problem) for problem in (*map(in_plain_words, unreadable), *problems)))
    return Written(events=(event,), plain=True, wrong=wrong)
