"""Consumer that can be closed and reopened; on closing, all unsettled messages return to the broker."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from shared.amqp.consumer import Consumer, ReceivedMessage
from shared.outcome import DependencyUnavailable

REOPEN_DELAY_SECONDS = 1.0

_log = structlog.get_logger()


class PausableConsumer:
    """Buffer of messages from one queue; sets `wake` on every arrival, and `opened` once it consumes.

    On closing, unsettled messages return to the queue: RabbitMQ closes the channel of a consumer that leaves a message
    unsettled for half an hour, and each return counts towards the delivery limit.
    """

    def __init__(self, open_consumer: Callable[[], AbstractAsyncContextManager[Consumer]], wake: asyncio.Event) -> None:
        self._open_consumer = open_consumer
        self._wake = wake
        self._buffer: deque[ReceivedMessage] = deque()
        self._open_requested = asyncio.Event()
        self._open_requested.set()
        self._close_requested = asyncio.Event()
        self.opened = asyncio.Event()

    def open(self) -> None:
        self._close_requested.clear()
        self._open_requested.set()

    def close(self) -> None:
        self._open_requested.clear()
        self._close_requested.set()

    async def run(self) -> None:
        """Consume while open, forever."""
        while True:
            await self._open_requested.wait()
            try:
                async with self._open_consumer() as consumer:
                    await self._consume(consumer)
            except DependencyUnavailable as error:
                _log.warning("dependency_unavailable", error=str(error))
                await asyncio.sleep(REOPEN_DELAY_SECONDS)

    async def _consume(self, consumer: Consumer) -> None:
        receiving = asyncio.create_task(self._receive(consumer))
        self.opened.set()
        try:
            await self._close_requested.wait()
        finally:
            receiving.cancel()
            self._buffer.clear()

    async def _receive(self, consumer: Consumer) -> None:
        while True:
            self._buffer.append(await consumer.receive())
            self._wake.set()

    @property
    def waiting(self) -> int:
        return len(self._buffer)

    def peek(self) -> ReceivedMessage | None:
        return self._buffer[0] if self._buffer else None

    def take(self) -> ReceivedMessage | None:
        """Take the next message whose channel is still open."""
        while self._buffer:
            message = self._buffer.popleft()
            if message.alive:
                return message
        return None
