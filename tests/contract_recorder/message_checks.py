"""Checks of a message against the AsyncAPI document and the JSON Schemas. Pure.

They apply to everything published on an exchange of the document, by any publisher, and to messages sent directly to
one of our queues or to a retry queue of one; not to dead letters and quarantines, which hold what could not be parsed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema_rs import Draft7Validator, Draft202012Validator, ValidationError

from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE, MESSAGES
from shared.contracts.message import Message
from shared.notices.cloudevents import HEADER_PREFIXES
from tools.asyncapi import EXCHANGES, build_asyncapi, is_bound, list_routes, list_senders
from tools.schemas import locate_schema

SERVICES = ("ingress", "notices", "subscriptions", "dispatcher", "newsroom")
SOURCES = tuple(f"/kreisfunk/{service}" for service in SERVICES)
MAX_PROBLEM_LENGTH = 300
PERSISTENT = 2


@dataclass(frozen=True, kw_only=True)
class TracedMessage:
    """A message, with its publisher, exchange and key."""

    exchange: str
    key: str
    login: str
    body: bytes
    properties: Mapping[str, Any]

    @property
    def is_excusable(self) -> bool:
        """Whether violations may be allowed: a service must publish valid messages, but may retry invalid ones."""
        return not self.by_service or self.exchange not in EXCHANGES

    @property
    def by_service(self) -> bool:
        return self.login.startswith(SERVICES)

    @property
    def where(self) -> str:
        return f"{self.event.get('type')} on {self.exchange or 'the default exchange'} with {self.key}"

    @property
    def event(self) -> Mapping[str, Any]:
        """The event with its attributes; empty if it cannot be parsed."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        if attributes := self._attributes:
            return {**attributes, "data": content}
        return content if isinstance(content, dict) else {}

    @property
    def is_structured(self) -> bool:
        return not self._attributes

    @property
    def _attributes(self) -> dict[str, Any]:
        """Attributes of an event in binary mode."""
        headers = self.properties.get("headers") or {}
        return {
            name.removeprefix(prefix): value
            for name, value in headers.items()
            for prefix in HEADER_PREFIXES
            if name.startswith(prefix)
        }


def find_problems(message: TracedMessage) -> Iterator[str]:
    """Yield each problem with the type and place of the message."""
    expected = _find_expected(message.exchange, message.key)
    if expected is None:
        return
    event = message.event
    for problem in (*_check_properties(message), *_check_event(message, event, expected)):
        yield f"{message.where}: {problem[:MAX_PROBLEM_LENGTH]}"


def _find_expected(exchange: str, key: str) -> tuple[type[Message], ...] | None:
    """Return the types that may be published there; None if the document does not cover the place."""
    if exchange in EXCHANGES:
        return tuple(list_routes().get((exchange, key), ()))
    queue = _map_queues().get((exchange, key))
    return None if queue is None else _list_queue_types(queue)


@cache
def _map_queues() -> Mapping[tuple[str, str], topology.Queue]:
    """Return the queues by routes past their exchange: by name, or through a retry queue."""
    direct = {("", queue.name): queue for queue in topology.QUEUES}
    retried = {
        (queue.retry_exchange, queue.name_retry_queue(name)): queue
        for queue in topology.QUEUES
        for name in topology.RETRY_TIERS
    }
    return direct | retried


def _list_queue_types(queue: topology.Queue) -> tuple[type[Message], ...]:
    return tuple(
        kind for (exchange, key), kinds in list_routes().items() for kind in kinds if is_bound(queue, exchange, key)
    )


def _check_properties(message: TracedMessage) -> Iterator[str]:
    if message.is_structured and message.properties.get("content_type") != CONTENT_TYPE:
        yield f"its content type is not {CONTENT_TYPE}"
    if message.properties.get("content_encoding"):
        yield "its body is packed"
    if message.properties.get("delivery_mode") != PERSISTENT:
        yield "it is not persistent"


def _check_event(
    message: TracedMessage, event: Mapping[str, Any], expected: tuple[type[Message], ...]
) -> Iterator[str]:
    kind = MESSAGES.get(str(event.get("type")))
    if kind is None:
        yield "no contract has this type"
        return
    if kind not in expected:
        yield "no channel of the AsyncAPI document carries it there"
    yield from _check_sender(message, event, kind)
    yield from map(_format_error, _build_envelope_validator(kind.TYPE).iter_errors(event))
    yield from map(_format_error, _build_data_validator(kind.TYPE).iter_errors(event.get("data")))


def _check_sender(message: TracedMessage, event: Mapping[str, Any], kind: type[Message]) -> Iterator[str]:
    """Check that a message of one of our services has that service as its source."""
    source, senders = event.get("source"), [f"/kreisfunk/{sender}" for sender in list_senders(kind)]
    if not senders or message.exchange not in EXCHANGES:
        return
    if (message.by_service or source in SOURCES) and source not in senders:
        yield f"{source} is not said to send it"


def _format_error(error: ValidationError) -> str:
    place = "/".join(map(str, error.instance_path))
    return f"{place}: {error.message}"


@cache
def _build_envelope_validator(name: str) -> Draft7Validator:
    components = build_asyncapi()["components"]
    payload = components["messages"][name]["payload"]
    return Draft7Validator({**payload, "components": components}, validate_formats=True)


@cache
def _build_data_validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(locate_schema(name).read_text()), validate_formats=True)
