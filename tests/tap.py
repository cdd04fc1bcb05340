"""What our services publish in tests, judged by the contracts.

RabbitMQ's tracing copies what is published on a vhost without changing where it goes. Only what is ours is judged: from
a login named after one of our services, or with one of their sources. What tests publish in other names may be wrong.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError
from jsonschema.protocols import Validator

from shared.contracts.envelope import CONTENT_TYPE
from shared.contracts.registry import MESSAGES
from tests.contract.asyncapi import EXCHANGE_OF, asyncapi, routes, sender_of
from tests.contract.schemas import schema_file
from tests.servers import broker_request

TRACE = "amq.rabbitmq.trace"
QUEUE = "test.tap"
SERVICES = ("ingress", "subscriptions", "dispatcher")
SOURCES = tuple(f"/kreisfunk/{service}" for service in SERVICES)
LONGEST = 300


class ContractBrokenError(AssertionError):
    """Something of ours was published that is not as it is described."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A message, and who published it where."""

    exchange: str
    key: str
    login: str
    body: bytes
    properties: Mapping[str, Any]

    @property
    def by_service(self) -> bool:
        return self.login.startswith(SERVICES)


@asynccontextmanager
async def tapped(broker_url: str, api_url: str) -> AsyncIterator[None]:
    """Raises ContractBrokenError at the end, for what was published on this vhost meanwhile."""
    vhost = quote(unquote(urlsplit(broker_url).path.removeprefix("/")) or "/", safe="")
    await broker_request(broker_url, api_url, "PUT", f"vhosts/{vhost}", {"tracing": True})
    async with await aio_pika.connect(broker_url) as connection, connection.channel() as channel:
        await _open(channel)
    yield
    async with await aio_pika.connect(broker_url) as connection, connection.channel() as channel:
        judge([message async for message in _drained(channel)])


def judge(messages: list[Published]) -> None:
    """Raises ContractBrokenError with each kind of violation once, and how often it was."""
    broken = Counter(problem for message in messages for problem in problems(message))
    if broken:
        raise ContractBrokenError("\n".join(f"{times} times: {problem}" for problem, times in broken.items()))


def problems(message: Published) -> Iterator[str]:
    """What is wrong with a message, if it is ours."""
    event = _event(message.body)
    if not (message.by_service or event.get("source") in SOURCES):
        return
    where = f"{event.get('type')} on {message.exchange} with {message.key}"
    for problem in (*_of_properties(message), *_of_event(message, event)):
        yield f"{where}: {problem[:LONGEST]}"


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _of_properties(message: Published) -> Iterator[str]:
    if not message.by_service:
        return
    if message.properties.get("content_type") != CONTENT_TYPE:
        yield f"its content type is not {CONTENT_TYPE}"
    if message.properties.get("delivery_mode") != 2:
        yield "it is not persistent"


def _of_event(message: Published, event: Mapping[str, Any]) -> Iterator[str]:
    kind = MESSAGES.get(event.get("type", ""))
    if kind is None:
        yield "no contract has this type"
        return
    if kind not in routes().get((message.exchange, message.key), ()):
        yield "no channel of the AsyncAPI document carries it there"
    sender = sender_of(kind)
    if sender and event.get("source") != f"/kreisfunk/{sender}":
        yield f"{event.get('source')} is not said to send it"
    yield from map(_told, _as_described(kind.TYPE).iter_errors(event))
    yield from map(_told, _as_data(kind.TYPE).iter_errors(event.get("data")))


def _told(error: ValidationError) -> str:
    return f"{'/'.join(map(str, error.schema_path))}: {error.message}"


@cache
def _as_described(name: str) -> Validator:
    components = asyncapi()["components"]
    return Draft7Validator({**components["messages"][name]["payload"], "components": components})


@cache
def _as_data(name: str) -> Validator:
    return Draft202012Validator(json.loads(schema_file(name).read_text()))


async def _open(channel: AbstractChannel) -> None:
    queue = await channel.declare_queue(QUEUE, durable=True)
    for exchange in EXCHANGE_OF.values():
        await queue.bind(TRACE, f"publish.{exchange}")


async def _drained(channel: AbstractChannel) -> AsyncIterator[Published]:
    queue = await channel.get_queue(QUEUE)
    while (copied := await queue.get(no_ack=True, fail=False)) is not None:
        yield _published(copied)
    await queue.delete(if_unused=False, if_empty=False)


def _published(copied: AbstractIncomingMessage) -> Published:
    headers: Mapping[str, Any] = copied.headers
    return Published(
        exchange=_text(headers["exchange_name"]),
        key=_text(headers["routing_keys"][0]),
        login=_text(headers["user"]),
        body=copied.body,
        properties={
            name: _text(value) if isinstance(value, bytes) else value for name, value in headers["properties"].items()
        },
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
