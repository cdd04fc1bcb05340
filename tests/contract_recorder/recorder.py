"""The tap of a vhost: a queue that gets a copy of all that is published there, read at the end.

A quorum queue still has it after the broker was stopped and started, although a copy says that it is not persistent.
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
QUEUE = "test.tap"
QUEUE_ARGUMENTS: Mapping[str, Any] = {"x-queue-type": "quorum"}
END = "test.tap.end"
MAX_COPIED = 1_000_000


class ContractViolationError(AssertionError):
    """Something was published that is not as it is described."""


class RecorderBlindError(AssertionError):
    """The tap does not see what is published, so that it proves nothing."""


class _UnboundedProperties:
    """Reads properties however costly: a copy has those of what was published among its own.

    Recorders that read at the same time share it; the last one to end brings the bounds back.
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
    """Looks at everything once. What is wrong in what services publish is never excused."""

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
        """Meanwhile tests may publish what is wrong, and must; services may not."""
        await self._read_messages(excusing=False)
        self._excused.clear()
        yield
        await self._read_messages(excusing=True)
        if not self._excused:
            raise AssertionError("nothing wrong was published: this test needs no foreign_messages")

    async def close(self) -> None:
        """Raises ContractViolationError with each kind of violation once, and how often it was."""
        await self._read_messages(excusing=False)
        raise_violations(self._broken)

    async def _read_messages(self, *, excusing: bool) -> None:
        async with _open_channel(self.url) as channel:
            with _READING:
                async for message in self._read_copies(channel):
                    counted = self._excused if excusing and message.is_excusable else self._broken
                    counted.update(check_message(message))

    async def _read_copies(self, channel: AbstractChannel) -> AsyncIterator[TracedMessage]:
        """All that was published up to now: our own last message is the proof that nothing is missing."""
        end = f"{END}.{secrets.token_hex(8)}"
        await channel.default_exchange.publish(aio_pika.Message(b""), end, mandatory=False)
        async for copied in _read(await channel.get_queue(QUEUE, ensure=False)):
            message = parse_traced(copied)
            if message.key == end:
                return
            yield message


@asynccontextmanager
async def record_contracts(url: str, api_url: str) -> AsyncIterator[ContractRecorder]:
    """Raises ContractViolationError at the end, for what was published on this vhost meanwhile."""
    tap = ContractRecorder(url, api_url)
    await tap.open()
    yield tap
    await tap.close()


async def enable_tracing(url: str, api_url: str) -> None:
    vhost = quote(unquote(urlsplit(url).path.removeprefix("/")) or "/", safe="")
    await send_broker_request(url, api_url, "PUT", f"vhosts/{vhost}", {"tracing": True})


def check_message(message: TracedMessage) -> list[str]:
    """The problems of a message; one without counts for its channel."""
    found = list(find_problems(message))
    if not found:
        SEEN.count(message)
    return found


def raise_violations(broken: Mapping[str, int]) -> None:
    if broken:
        raise ContractViolationError("\n".join(f"{times} times: {problem}" for problem, times in broken.items()))


def parse_traced(copied: AbstractIncomingMessage) -> TracedMessage:
    """What RabbitMQ's tracing wrote down of a message."""
    headers: Mapping[str, Any] = copied.headers
    return TracedMessage(
        exchange=_decode_text(headers["exchange_name"]),
        key=_decode_text(headers["routing_keys"][0]),
        login=_decode_text(headers["user"]),
        body=copied.body,
        properties={name: _decode_value(value) for name, value in headers["properties"].items()},
    )


def _decode_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {_decode_text(name): _decode_value(one) for name, one in value.items()}
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
        raise RecorderBlindError("the tap does not even see its own message: is tracing on?") from None
    finally:
        await queue.cancel(tag)
