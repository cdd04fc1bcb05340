"""Consumers: the callback only enqueues, our own tasks handle messages, and one function settles them.

They are separate because a closing channel cancels running callbacks and still delivers dead messages. A message of a
dead channel is not handled, since the broker delivers it again.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, DeliveryMode
from aio_pika.exceptions import ChannelInvalidStateError

from shared.amqp.connection import BrokerUnavailable, Connection, convert_connection_errors
from shared.amqp.publisher import Publisher, PublishRefused, open_publisher
from shared.amqp.topology import RETRY_TIERS, Queue
from shared.notices.cloudevents import AmqpMessage
from shared.outcome import Dead, DependencyUnavailable, Done, Outcome, Rejected, RetryLater, Separate
from shared.runtime.availability import Availability

ATTEMPT_HEADER = "attempt"
REASON_HEADER = "reason"
PUBLISHER_HEADER = "publisher"
TRUNCATED_HEADER = "truncated-from"
# In total: with our own headers and the other properties they fit into one frame, which may have 16 KiB.
MAX_HEADER_BYTES = 8_000
MAX_HEADERS = 50
MAX_NAME_BYTES = 128  # of an AMQP field; pamqp truncates a longer name, and logs all of it
_OWN_HEADERS = frozenset((ATTEMPT_HEADER, REASON_HEADER, PUBLISHER_HEADER, TRUNCATED_HEADER))


class ReceivedMessage(NamedTuple):
    """Received, unsettled message; `user_id` is verified by the broker, `attempt` counts from 1."""

    incoming: AbstractIncomingMessage
    attempt: int
    consumer: "Consumer"

    @property
    def body(self) -> bytes:
        return self.incoming.body

    @property
    def message_id(self) -> str:
        return self.incoming.message_id or ""

    @property
    def user_id(self) -> str | None:
        """Return the login of the original publisher, also of messages that we republished under our own login."""
        if self.incoming.user_id is None or self.incoming.user_id != self.consumer.login:
            return self.incoming.user_id
        publisher = self.incoming.headers.get(PUBLISHER_HEADER)
        return publisher if isinstance(publisher, str) else None

    @property
    def headers(self) -> dict[str, Any]:
        """Return the publisher's headers, without the broker's and our own."""
        return {
            name: value
            for name, value in self.incoming.headers.items()
            if name not in _OWN_HEADERS and not name.startswith("x-") and isinstance(value, str | int | datetime)
        }

    @property
    def message(self) -> AmqpMessage:
        incoming = self.incoming
        return AmqpMessage(
            body=incoming.body,
            login=self.user_id,
            content_type=incoming.content_type,
            content_encoding=incoming.content_encoding,
            persistent=incoming.delivery_mode == DeliveryMode.PERSISTENT,
            expires=incoming.expiration is not None,
            headers=self.headers,
        )

    @property
    def reason(self) -> str:
        """Return the reason for the dead letter; at its delivery limit, the broker gives none."""
        reason = self.incoming.headers.get(REASON_HEADER)
        return reason if isinstance(reason, str) else "delivered too often"

    @property
    def alive(self) -> bool:
        """Return False once the channel has died; ignore the message then, as it will be delivered again."""
        try:
            return not self.incoming.channel.is_closed
        except ChannelInvalidStateError:
            return False

    async def settle(self, outcome: Outcome) -> None:
        """Apply the outcome, retrying until it succeeds. Shielded from cancellation; does nothing on a dead channel.

        Raises RetryRefused if the message is to be retried, and a bounded delay tier has no room for it.
        """
        await asyncio.shield(self.consumer.settle(self, outcome))


def limit_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers that fit, the shortest first: all headers of a message must fit into one frame."""
    names = (name for name in headers if len(name.encode()) <= MAX_NAME_BYTES)
    sizes = {name: len(f"{name}{headers[name]}".encode()) + 6 for name in names}  # with lengths and the value's type
    shortest = sorted(sizes, key=sizes.__getitem__)[:MAX_HEADERS]
    totals = itertools.accumulate(sizes[name] for name in shortest)
    return {name: headers[name] for name, total in zip(shortest, totals, strict=True) if total <= MAX_HEADER_BYTES}


MAX_ATTEMPTS = 6
BACKOFF_DELAYS_SECONDS = (0.1, 0.5, 1.0, 2.0)
MAX_QUARANTINED_BYTES = 65_536
WARNING_INTERVAL_SECONDS = 1.0

_log = structlog.get_logger()

Handler = Callable[[ReceivedMessage], Awaitable[Outcome]]


class RetryRefused(Exception):
    """The delay tier is full of outsiders' messages. Handle the message at once, as in its last attempt."""


@dataclass
class Consumer:
    """Consumer of one queue. `login` is our own, the only `user_id` that the broker accepts in our messages."""

    queue: Queue
    retry_publisher: Publisher
    login: str | None
    _buffer: asyncio.Queue[ReceivedMessage] = field(default_factory=asyncio.Queue)
    closing: bool = field(default=False, init=False)
    channel: AbstractChannel | None = field(default=None, init=False)
    _warned_at: float = field(default=-WARNING_INTERVAL_SECONDS, init=False)

    async def receive(self) -> ReceivedMessage:
        """Return the next message whose channel is still open."""
        while True:
            received = await self._buffer.get()
            if received.alive:
                return received

    async def stop(self) -> None:
        """Return all unsettled messages to the queue."""
        self.closing = True
        if self.channel:
            with suppress(BrokerUnavailable), convert_connection_errors("cannot close"):
                await self.channel.close()

    def warn(self, error: DependencyUnavailable) -> None:
        """Log that a dependency is unavailable, at most once per WARNING_INTERVAL_SECONDS."""
        now = time.monotonic()
        if now - self._warned_at >= WARNING_INTERVAL_SECONDS:
            self._warned_at = now
            _log.warning("dependency_unavailable", queue=self.queue.name, error=str(error))

    async def settle(self, received: ReceivedMessage, outcome: Outcome) -> None:
        """Apply the outcome and acknowledge; an unsettled message on an open channel occupies `prefetch` forever.

        If the outcome can never be applied, the broker makes the message a dead letter, unchanged.
        """
        settle = partial(self._apply_and_acknowledge, received, outcome)
        for attempt in itertools.count():
            if not self._may_settle(received):
                return
            try:
                with convert_connection_errors("cannot settle"):
                    await settle()
            except RetryRefused:
                raise
            except DependencyUnavailable as error:
                _log.warning("settle_failed", queue=self.queue.name, error=type(error).__name__)
            except Exception:  # a bug, such as a header that cannot be written; the process has others to serve
                _log.exception("settle_impossible", queue=self.queue.name)
                settle = partial(received.incoming.reject, requeue=False)
            else:
                return
            await asyncio.sleep(_compute_backoff(attempt))

    async def _apply_and_acknowledge(self, received: ReceivedMessage, outcome: Outcome) -> None:
        await self._apply_outcome(received, outcome)
        if self._may_settle(received):
            await received.incoming.ack()

    def _may_settle(self, received: ReceivedMessage) -> bool:
        """Return whether to settle: writing to a closing channel ends the connection (504, "expected channel.open")."""
        return received.alive and not self.closing

    async def _apply_outcome(self, received: ReceivedMessage, outcome: Outcome) -> None:
        message = {received.message_id: received.body}
        match outcome:
            case RetryLater(seconds, reason):
                await self._retry(received, message, seconds, reason)
            case Separate(parts, seconds, reason):
                await self._retry(received, parts, seconds, reason)
            case Dead(reason):
                await self._send_to_dead_letters(received, message, reason)
            case Rejected(reason, headers):
                _log.warning("rejected", queue=self.queue.name, reason=reason)
                await self._quarantine(received, {REASON_HEADER: reason, **headers})
            case Done():
                pass

    async def _retry(self, received: ReceivedMessage, parts: Mapping[str, bytes], seconds: float, reason: str) -> None:
        if received.attempt >= MAX_ATTEMPTS:
            await self._send_to_dead_letters(received, parts, reason)
            return
        tier = self.queue.name_retry_queue(select_tier(seconds))
        for message_id, body in parts.items():
            try:
                await self._publish(received, tier, message_id, body, {ATTEMPT_HEADER: received.attempt + 1})
            except PublishRefused:
                if self.queue.has_bounded_retries:
                    raise RetryRefused(tier) from None
                raise

    async def _send_to_dead_letters(self, received: ReceivedMessage, parts: Mapping[str, bytes], reason: str) -> None:
        _log.error("dead_letter", queue=self.queue.name, reason=reason, attempt=received.attempt)
        headers: Mapping[str, str | int] = {ATTEMPT_HEADER: received.attempt + 1, REASON_HEADER: reason}
        for message_id, body in parts.items():
            await self._publish(received, self.queue.dead_letter_queue, message_id, body, headers)

    async def _quarantine(self, received: ReceivedMessage, headers: Mapping[str, str]) -> None:
        """Publish the message to the quarantine; drop it if that is full: its publisher has already been notified."""
        truncated = {TRUNCATED_HEADER: len(received.body)} if len(received.body) > MAX_QUARANTINED_BYTES else {}
        try:
            body = received.body[:MAX_QUARANTINED_BYTES]
            await self._publish(received, self.queue.quarantine, received.message_id, body, {**headers, **truncated})
        except PublishRefused:
            _log.error("quarantine_full", queue=self.queue.quarantine)

    async def _publish(
        self, received: ReceivedMessage, key: str, message_id: str, body: bytes, headers: Mapping[str, str | int]
    ) -> None:
        """Publish the message with its publisher's properties, under our own login."""
        incoming = received.incoming
        publisher = {PUBLISHER_HEADER: received.user_id} if received.user_id else {}
        await self.retry_publisher.publish(
            self.queue.retry_exchange,
            key,
            body,
            message_id=message_id,
            headers={**limit_headers(received.headers), **publisher, **headers},
            content_type=incoming.content_type or "",
            content_encoding=incoming.content_encoding,
            user_id=self.login,
        )

    async def enqueue(self, incoming: AbstractIncomingMessage) -> None:
        """Queue a message; this broker callback returns at once, so that a closing channel has nothing to cancel."""
        is_own = incoming.user_id == self.login  # the attempt headers of others do not count
        attempt = incoming.headers.get(ATTEMPT_HEADER) if is_own else None
        self._buffer.put_nowait(ReceivedMessage(incoming, attempt if isinstance(attempt, int) else 1, self))


def _compute_backoff(attempt: int) -> float:
    """Return the seconds to wait after failed attempt number `attempt`, counted from 0."""
    return BACKOFF_DELAYS_SECONDS[min(attempt, len(BACKOFF_DELAYS_SECONDS) - 1)]


def select_tier(seconds: float) -> str:
    """Return the shortest delay tier of at least `seconds`, else the longest."""
    return next((name for name, delay in RETRY_TIERS.items() if delay >= seconds), list(RETRY_TIERS)[-1])


@asynccontextmanager
async def open_consumer(
    connection: Connection,
    retry_connection: Connection,
    queue: Queue,
    *,
    prefetch: int,
    needed: Availability | None = None,
) -> AsyncIterator[Consumer]:
    """Consume a queue, except while what is `needed` is lost; publish retries and dead letters on `retry_connection`.

    At most `prefetch` messages are unsettled at a time. On exit, cancel the consumer first; unsettled messages return
    to the queue. Raises BrokerUnavailable.
    """
    async with open_publisher(retry_connection) as publisher:
        consumer = Consumer(queue, publisher, retry_connection.url.user)
        start = partial(_start_consuming, connection, consumer, prefetch)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(consumer.stop)
            await start()
            if needed:
                pausing = asyncio.create_task(needed.pause_while_lost(consumer.stop, start))
                stack.push_async_callback(asyncio.wait, [pausing])
                stack.callback(pausing.cancel)
            yield consumer


async def _start_consuming(connection: Connection, consumer: Consumer, prefetch: int) -> None:
    with convert_connection_errors(f"cannot consume {consumer.queue.name}"):
        consumer.closing = False
        consumer.channel = channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=prefetch)
        source = await channel.declare_queue(consumer.queue.name, passive=True)
        await source.consume(consumer.enqueue)


async def run_worker(consumer: Consumer, handle: Handler, *, until: asyncio.Event | None = None) -> None:
    """Handle one message after another, forever; run several workers for concurrency.

    Return once `until` is set and the current message is settled.
    """
    while received := await _receive_next(consumer, until):
        try:
            await _handle_and_settle(consumer, received, handle)
        except RetryRefused:
            await _handle_and_settle(consumer, received._replace(attempt=MAX_ATTEMPTS), handle)


async def _receive_next(consumer: Consumer, until: asyncio.Event | None) -> ReceivedMessage | None:
    if until is None:
        return await consumer.receive()
    receiving, stopping = asyncio.ensure_future(consumer.receive()), asyncio.ensure_future(until.wait())
    try:
        await asyncio.wait((receiving, stopping), return_when=asyncio.FIRST_COMPLETED)
        return None if until.is_set() else receiving.result()
    finally:
        receiving.cancel()
        stopping.cancel()


async def _handle_and_settle(consumer: Consumer, received: ReceivedMessage, handle: Handler) -> None:
    outcome = await _call_handler(consumer, received, handle)
    if outcome is not None:
        await received.settle(outcome)


async def _call_handler(consumer: Consumer, received: ReceivedMessage, handle: Handler) -> Outcome | None:
    """Return the handler's outcome, retrying while a dependency is unavailable; None if the channel has died."""
    for attempt in itertools.count():
        if not received.alive:
            break
        try:
            return await handle(received)
        except DependencyUnavailable as error:
            consumer.warn(error)
            await asyncio.sleep(_compute_backoff(attempt))
        except Exception as error:  # a bug: retried a few times, then a dead letter
            _log.exception("handler_failed", queue=consumer.queue.name, attempt=received.attempt)
            return RetryLater(10, f"unexpected {type(error).__name__}")
    return None
