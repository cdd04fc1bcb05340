"""Recorder of a vhost: a queue with a copy of every message published there, read at the end.

As a quorum queue, it keeps the copies over a restart of the broker, although they are not marked persistent.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, unquote, urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from shared.amqp import connection
from tests.contract_recorder.coverage import SEEN
from tests.contract_recorder.message_checks import TracedMessage, find_problems
from tests.servers import WAIT_TIMEOUT_SECONDS, send_broker_request

TRACE = "amq.rabbitmq.trace"
QUEUE = "test.recorder"
QUEUE_ARGUMENTS: Mapping[str, Any] = {"x-queue-type": "quorum"}
END = "test.recorder.end"
MAX_COPIED = 1_000_000


class ContractViolationError(AssertionError):
    """A message was published that violates its description."""


class RecorderBlindError(AssertionError):
    """The recorder does not see published messages, so it proves nothing."""


class _UnboundedProperties:
    """Context without limits on properties, as a copy contains those of the published message.

    Concurrent recorders share it; the last one to end restores the limits.
    """

    def __init__(self) -> None:
        self._readers = 0
        self._patch = patch.multiple(connection, MAX_FIELDS=MAX_COPIED, MAX_NESTED_BYTES=MAX_COPIED)

    def __enter__(self) -> None:
        if not self._readers:
            self._patch.start()
        self._readers += 1

    def __exit__(self, *_: object) -> None:
        self._readers -= 1
        if not self._readers:
            self._patch.stop()


_READING = _UnboundedProperties()


class ContractRecorder:
    """Recorder that checks every message once. Violations by services are never excused."""

    def __init__(self, url: str, api_url: str) -> None:
        self.url = url
        self._api_url = api_url
        self._broken: Counter[str] = Counter()
        self._excused: Counter[str] = Counter()

    async def open(self) -> None:
        await enable_tracing(self.url, self._api_url)
        async with _open_channel(self.url) as channel:
            queue = await channel.declare_queue(QUEUE, durable=True, arguments=dict(QUEUE_ARGUMENTS))
            await queue.bind(TRACE, "publish.#")

    @asynccontextmanager
    async def allow_violations(self) -> AsyncIterator[None]:
        """Context in which tests must publish something invalid, but services must not."""
        await self._read_messages(excusing=False)
        self._excused.clear()
        yield
        await self._read_messages(excusing=True)
        if not self._excused:
            raise AssertionError("nothing wrong was published: this test needs no foreign_messages")

    async def close(self) -> None:
        """Raise ContractViolationError if there are violations, each kind once with its count."""
        await self._read_messages(excusing=False)
        raise_violations(self._broken)

    async def _read_messages(self, *, excusing: bool) -> None:
        async with _open_channel(self.url) as channel:
            with _READING:
                async for message in self._read_copies(channel):
                    counts = self._excused if excusing and message.is_excusable else self._broken
                    counts.update(check_message(message))

    async def _read_copies(self, channel: AbstractChannel) -> AsyncIterator[TracedMessage]:
        """Yield everything published up to now; a message of our own marks the end."""
        end = f"{END}.{secrets.token_hex(8)}"
        await channel.default_exchange.publish(aio_pika.Message(b""), end, mandatory=False)
        async for copy in _read(await channel.get_queue(QUEUE, ensure=False)):
            message = parse_traced(copy)
            if message.key == end:
                return
            yield message


@asynccontextmanager
async def record_contracts(url: str, api_url: str) -> AsyncIterator[ContractRecorder]:
    """Record a vhost. Raises ContractViolationError at the end for violations published meanwhile."""
    recorder = ContractRecorder(url, api_url)
    await recorder.open()
    yield recorder
    await recorder.close()


async def enable_tracing(url: str, api_url: str) -> None:
    vhost = quote(unquote(urlsplit(url).path.removeprefix("/")) or "/", safe="")
    await send_broker_request(url, api_url, "PUT", f"vhosts/{vhost}", {"tracing": True})


def check_message(message: TracedMessage) -> list[str]:
    """Return the problems of a message; count a valid one for its channel."""
    problems = list(find_problems(message))
    if not problems:
        SEEN.count(message)
    return problems


def raise_violations(broken: Mapping[str, int]) -> None:
    if broken:
        raise ContractViolationError("\n".join(f"{times} times: {problem}" for problem, times in broken.items()))


def parse_traced(copy: AbstractIncomingMessage) -> TracedMessage:
    """Return the message that RabbitMQ's tracing copied."""
    headers: Mapping[str, Any] = copy.headers
    return TracedMessage(
        exchange=_decode_text(headers["exchange_name"]),
        key=_decode_text(headers["routing_keys"][0]),
        login=_decode_text(headers["user"]),
        body=copy.body,
        properties={name: _decode_value(value) for name, value in headers["properties"].items()},
    )


def _decode_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {_decode_text(name): _decode_value(item) for name, item in value.items()}
    return _decode_text(value) if isinstance(value, bytes) else value


def _decode_text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


@asynccontextmanager
async def _open_channel(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield channel


async def _read(queue: AbstractQueue) -> AsyncIterator[AbstractIncomingMessage]:
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    tag = await queue.consume(arrived.put, no_ack=True)
    try:
        while True:
            async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                message = await arrived.get()
            yield message
    except TimeoutError:
        raise RecorderBlindError("the recorder does not even see its own message: is tracing on?") from None
    finally:
        await queue.cancel(tag)
