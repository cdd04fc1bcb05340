"""CloudEvents in structured JSON and as AMQP messages, with all problems of an unreadable one.

An AMQP message contains the event in structured mode, or in binary mode with the attributes in headers.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md defines `cloudEvents:` and
`cloudEvents_`; clients carry over `ce-` and `ce_` from HTTP and Kafka.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from shared.contracts.envelope import CONTENT_TYPE, Envelope
from shared.contracts.events import Problem
from shared.contracts.hours import LOCAL_ZONE
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.notices.configuration import NOTICES_API_LOGIN
from shared.notices.schema_errors import MAX_UNKNOWN_FIELDS, find_schema_errors, report_unknown_fields

MAX_NAME_LENGTH = 200
MAX_FIELD_LENGTH = 40
NOTICE_TYPES: Mapping[str, type[NoticePublished | NoticeUpdated | NoticeWithdrawn]] = {
    event_type.TYPE: event_type for event_type in (NoticePublished, NoticeUpdated, NoticeWithdrawn)
}

_ATTRIBUTES = (*(field.encode_name for field in msgspec.structs.fields(Envelope)), "dataschema")
_MOMENTS = ("time", "expirytime")
_EXTENSION = re.compile(r"[a-z0-9]+")
MISPLACED = {
    field.encode_name: f'"{field.encode_name}" in data'
    for event_type in NOTICE_TYPES.values()
    for field in msgspec.structs.fields(event_type)
}
_NO_ATTRIBUTES: Mapping[str, Any] = MappingProxyType({})
_ALIASES = {**MISPLACED, "expires_at": '"expirytime"', "notice": '"subject"', "data_base64": '"data"'}


class UnreadableEvent(ValueError):
    """The bytes are not a CloudEvent. `event`, `source` and `subject` are set as far as `attributes` are readable.

    `envelope` has the valid attributes, and empty values for the others; None if none is readable.
    """

    def __init__(
        self, *problems: Problem, envelope: Envelope | None = None, attributes: Mapping[str, Any] = _NO_ATTRIBUTES
    ) -> None:
        super().__init__(", ".join(problem.field for problem in problems))
        self.problems, self.envelope, self.attributes = problems, envelope, attributes
        self.event, self.source = self._read_name("id") or "", self._read_name("source") or ""
        self.subject = self._read_name("subject")

    def _read_name(self, attribute: str) -> str | None:
        value = self.attributes.get(attribute)
        return value if isinstance(value, str) and len(value) <= MAX_NAME_LENGTH else None


def read_event(body: bytes) -> Envelope:
    """Return the event in structured JSON. Raises UnreadableEvent, which names every wrong attribute."""
    return convert_event(decode_json(body))


def convert_event(value: Any) -> Envelope:
    """Return the event in decoded JSON. Raises UnreadableEvent, which names every wrong attribute.

    As CloudEvents specifies, null attributes count as missing. Times without an offset are in LOCAL_ZONE. Unknown
    attributes of a notice are refused, except extensions.
    """
    if not isinstance(value, dict):
        raise UnreadableEvent(Problem(field="body", problem="must be a JSON object"))
    attributes = {
        name: _attach_zone_if_moment(attribute) if name in _MOMENTS else attribute
        for name, attribute in value.items()
        if name == "data" or attribute is not None
    }
    if isinstance(data := attributes.get("data"), dict) and "scheduled_at" in data:
        attributes["data"] = {**data, "scheduled_at": _attach_zone_if_moment(data["scheduled_at"])}
    problems = (*_check_attributes(attributes), *check_unknown_attributes(attributes))
    data = Raw(msgspec.json.encode(attributes.get("data")))
    if not problems:
        return msgspec.convert({**attributes, "data": data}, Envelope)
    readable = _build_partial_envelope(attributes, {problem.field for problem in problems}, data)
    raise UnreadableEvent(*problems, envelope=readable, attributes=attributes)


def decode_json(body: bytes, field: str = "body", attributes: Mapping[str, Any] = _NO_ATTRIBUTES) -> Any:
    """Decode JSON. Raises UnreadableEvent, which names the position of the first error."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnreadableEvent(Problem(field=field, problem=_explain_error(body)), attributes=attributes) from None


def _explain_error(body: bytes) -> str:
    """Return the problem, with the line and column that the standard library reports."""
    if body.startswith(BOM_UTF8):
        return "begins with a byte order mark: omit it"
    try:
        json.loads(body.decode())
    except json.JSONDecodeError as error:
        return f"is not JSON: line {error.lineno}, column {error.colno}"
    except UnicodeDecodeError as error:
        lines = body[: error.start].decode().split("\n")
        return f"is not UTF-8: line {len(lines)}, column {len(lines[-1]) + 1}"
    except RecursionError:
        return "is nested too deeply"
    except ValueError:
        pass  # a number that is too long for the standard library as well
    return "is not JSON: it has NaN, a number out of range, or an escaped surrogate without its other half"


def attach_local_zone(moment: datetime) -> datetime:
    """Return the moment with an offset; without one it is in LOCAL_ZONE, and in a repeated hour the first."""
    return moment if moment.tzinfo else moment.replace(tzinfo=LOCAL_ZONE)


def _attach_zone_if_moment(value: Any) -> Any:
    """Return a moment with an offset, or any other value unchanged."""
    try:
        moment = msgspec.convert(value, datetime)
        return value if moment.tzinfo else attach_local_zone(moment).isoformat()
    except (msgspec.ValidationError, OverflowError):
        return value


def _check_attributes(attributes: Mapping[str, Any]) -> Iterator[Problem]:
    yield from find_schema_errors({**attributes, "data": Raw(b"")}, Envelope)
    if isinstance(version := attributes.get("specversion"), str) and version != "1.0":
        yield Problem(field="specversion", problem="must be 1.0")


def check_unknown_attributes(attributes: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield unknown attributes that look like mistakes; lower-case extensions are permitted."""
    if str(attributes.get("type")) not in NOTICE_TYPES:
        return
    unknown = [name for name in attributes if name not in _ATTRIBUTES]
    extensions = {name for name in unknown if _EXTENSION.fullmatch(name) and name not in _ALIASES}
    yield from report_unknown_fields([name for name in unknown if name not in extensions], _ATTRIBUTES, _ALIASES)


def _build_partial_envelope(attributes: Mapping[str, Any], invalid: set[str], data: Raw) -> Envelope:
    empty: dict[str, Any] = {"id": "", "source": "", "type": "", "specversion": "1.0"}
    omitted = {*invalid, "data", "dataschema"}
    valid = {name: attributes[name] for name in _ATTRIBUTES if name in attributes and name not in omitted}
    moments = {name: msgspec.convert(valid[name], datetime) for name in _MOMENTS if name in valid}
    return Envelope(**{**empty, **valid, **moments}, data=data)


MAX_BODY_BYTES = 65_536
HEADER_PREFIXES = ("cloudEvents:", "cloudEvents_", "ce-", "ce_")
DATA_TYPE = "application/json"
_PLAIN_ENCODINGS = frozenset({"", "identity", "utf-8", "utf8"})


@dataclass(frozen=True, kw_only=True)
class AmqpMessage:
    """AMQP message as received; `login` is its publisher, verified by the broker."""

    body: bytes
    login: str | None
    content_type: str | None = CONTENT_TYPE
    content_encoding: str | None = None
    persistent: bool = True
    expires: bool = False
    headers: Mapping[str, Any] = field(default_factory=dict)


def read_amqp_event(message: AmqpMessage) -> Envelope:
    """Return the event in a message. Raises UnreadableEvent with all problems, and if readable, the event's names."""
    transport_problems, size = tuple(_check_transport(message)), len(message.body)
    media_type, charset = parse_content_type(message.content_type or "")
    try:
        if size > MAX_BODY_BYTES:
            raise UnreadableEvent(Problem(field="body", problem=f"has {size} bytes; at most {MAX_BODY_BYTES} are read"))
        if charset not in ("utf-8", "utf8"):
            raise UnreadableEvent(Problem(field="content_type", problem="its charset must be utf-8"))
        is_structured = media_type == CONTENT_TYPE
        envelope = convert_event(decode_json(message.body) if is_structured else _join_binary(message, media_type))
    except UnreadableEvent as error:
        problems = (*transport_problems, *error.problems)
        raise UnreadableEvent(*problems, envelope=error.envelope, attributes=error.attributes) from None
    if transport_problems:
        raise UnreadableEvent(*transport_problems, envelope=envelope, attributes=msgspec.structs.asdict(envelope))
    return envelope


def _check_transport(message: AmqpMessage) -> Iterator[Problem]:
    if (message.content_encoding or "").lower() not in _PLAIN_ENCODINGS:
        yield Problem(field="content_encoding", problem="must be omitted: send the body uncompressed")
    if not message.persistent:
        yield Problem(field="delivery_mode", problem="must be 2, persistent: else the broker may lose it")
    if message.expires:
        yield Problem(
            field="expiration", problem="must be omitted, else the broker may drop it: expirytime is for that"
        )


def _join_binary(message: AmqpMessage, media_type: str) -> dict[str, Any]:
    """Return an event in binary mode as if decoded from structured mode. Raises UnreadableEvent."""
    attributes, problems = collect_attributes(message.headers.items())
    if media_type != DATA_TYPE or not attributes:
        problems = [Problem(field="content_type", problem=_describe_expected(media_type))]
    if problems:
        raise UnreadableEvent(*problems, attributes=attributes)
    data = decode_json(message.body, "data", attributes)
    return {**msgspec.to_builtins(attributes), "datacontenttype": DATA_TYPE, "data": data}


def _describe_expected(media_type: str) -> str:
    """Return what the content type must be.

    The commonest mistake is `application/json` with the whole event in the body.
    """
    binary = f"{DATA_TYPE} with its attributes in headers, {HEADER_PREFIXES[0]}id and so on"
    hint = ", which are missing" if media_type == DATA_TYPE else ""
    return f"must be {CONTENT_TYPE} for an event in the body, or {binary}{hint}"


def parse_content_type(value: str) -> tuple[str, str]:
    """Return the media type and its charset, both in lower case; the charset is UTF-8 by default."""
    media_type, *parameters = (part.strip().lower() for part in value.split(";"))
    pairs = dict(parameter.partition("=")[::2] for parameter in parameters)
    return media_type, pairs.get("charset", "").strip('"') or "utf-8"


def collect_attributes(headers: Iterable[tuple[str, Any]]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the event's attributes by name, and a problem for each that has two different values."""
    attributes: dict[str, Any] = {}
    problems: list[Problem] = []
    for header, value in headers:
        prefix = next((known for known in HEADER_PREFIXES if header.startswith(known)), None)
        if prefix is None:
            continue
        name = header.removeprefix(prefix)
        if attributes.setdefault(name, value) != value and len(problems) < MAX_UNKNOWN_FIELDS:
            problems.append(Problem(field=name[:MAX_FIELD_LENGTH], problem="is given twice, in different ways"))
    return attributes, problems


def identify_system(envelope: Envelope, login: str | None) -> str | None:
    """Return the publishing system: the broker login, or for the notices API, the system that it names.

    Return None for any other login that names a system.
    """
    if login == NOTICES_API_LOGIN:
        return envelope.kreisfunksystem
    return login if envelope.kreisfunksystem is None else None


def parse_token_topics(envelope: Envelope, login: str | None) -> frozenset[str] | None:
    """Return the topics that the notices API limits this event to; None means all."""
    if login != NOTICES_API_LOGIN or envelope.kreisfunktopics is None:
        return None
    return frozenset(envelope.kreisfunktopics.split(","))
