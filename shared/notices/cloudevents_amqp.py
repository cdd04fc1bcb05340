"""CloudEvents as AMQP messages: structured mode, and binary mode with the attributes in headers.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md defines `cloudEvents:` and
`cloudEvents_`; clients carry over `ce-` and `ce_` from HTTP and Kafka.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.contracts.envelope import CONTENT_TYPE, Envelope
from shared.contracts.events import Problem
from shared.notices.cloudevents import UnreadableEvent, read_binary_event, read_event

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
    headers: Mapping[str, Any] = field(default_factory=dict)


def read_amqp_event(message: AmqpMessage) -> Envelope:
    """Return the event in a message. Raises UnreadableEvent, which names every problem, and the event if possible."""
    transport = tuple(_check_transport(message))
    if len(message.body) > MAX_BODY_BYTES:
        size = Problem(field="body", problem=f"has {len(message.body)} bytes; at most {MAX_BODY_BYTES} are read")
        raise UnreadableEvent((*transport, size))
    try:
        envelope = _read_content(message)
    except UnreadableEvent as error:
        raise error.with_problems(transport) from None
    if transport:
        raise UnreadableEvent(transport, envelope, event=envelope.id, subject=envelope.subject, source=envelope.source)
    return envelope


def _check_transport(message: AmqpMessage) -> Iterator[Problem]:
    if (message.content_encoding or "").lower() not in _PLAIN_ENCODINGS:
        yield Problem(field="content_encoding", problem="must be left out: send the body as it is, not compressed")
    if not message.persistent:
        yield Problem(field="delivery_mode", problem="must be 2, persistent: else the broker may lose it")


def _read_content(message: AmqpMessage) -> Envelope:
    kind, charset = _parse_content_type(message.content_type or "")
    if charset not in ("", "utf-8"):
        raise UnreadableEvent((Problem(field="content_type", problem="its charset must be utf-8"),))
    if kind == CONTENT_TYPE:
        return read_event(message.body)
    return _read_binary(message, kind)


def _read_binary(message: AmqpMessage, kind: str) -> Envelope:
    attributes, twice = _collect_attributes(message.headers)
    if kind != DATA_TYPE or not attributes:
        raise UnreadableEvent(
            (Problem(field="content_type", problem=_describe_expected(kind)),), **_extract_names(attributes)
        )
    if twice:
        raise UnreadableEvent(tuple(twice), **_extract_names(attributes))
    return read_binary_event({**attributes, "datacontenttype": DATA_TYPE}, message.body)


def _describe_expected(kind: str) -> str:
    """Return what the content type must be.

    `application/json` alone is the commonest mistake: the whole event is in the body, with the wrong type.
    """
    binary = f"{DATA_TYPE} with its attributes in headers, {HEADER_PREFIXES[0]}id and so on"
    given = ", which are missing" if kind == DATA_TYPE else ""
    return f"must be {CONTENT_TYPE} for an event in the body, or {binary}{given}"


def _parse_content_type(value: str) -> tuple[str, str]:
    """Return the type and its charset, both in lower case."""
    kind, *parameters = (part.strip().lower() for part in value.split(";"))
    pairs = dict(parameter.partition("=")[::2] for parameter in parameters)
    return kind, pairs.get("charset", "").strip('"')


def _collect_attributes(headers: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the event's attributes by name, and a problem for each that has two different values."""
    found: dict[str, Any] = {}
    twice = []
    for header, value in headers.items():
        prefix = next((known for known in HEADER_PREFIXES if header.startswith(known)), None)
        if prefix is None:
            continue
        name = header.removeprefix(prefix)
        if found.setdefault(name, value) != value:
            twice.append(Problem(field=name, problem="is given twice, in different ways"))
    return found, twice


def _extract_names(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the names that identify the event in an answer."""
    wanted = {"event": "id", "subject": "subject", "source": "source"}
    found = {ours: attributes.get(theirs) for ours, theirs in wanted.items()}
    return {ours: value for ours, value in found.items() if isinstance(value, str)}
