"""The lanes' queues on RabbitMQ."""

import asyncio
from collections import deque
from dataclasses import dataclass

from shared.amqp.consumer import Consumer
from shared.amqp.received import Received
from shared.outcome import Outcome


@dataclass(frozen=True)
class InHand:
    """A message of a lane, with the consumer that settles it."""

    consumer: Consumer
    received: Received

    @property
    def body(self) -> bytes:
        return self.received.body

    @property
    def alive(self) -> bool:
        return self.received.alive

    async def settle(self, outcome: Outcome) -> None:
        await self.consumer.settle(self.received, outcome)


class LaneInbox:
    """What has arrived on one lane; sets `wake` on every arrival."""

    def __init__(self, consumer: Consumer, wake: asyncio.Event) -> None:
        self._consumer = consumer
        self._wake = wake
        self._arrived: deque[Received] = deque()

    async def run(self) -> None:
        """Move arrivals over, for ever."""
        while True:
            self._arrived.append(await self._consumer.receive())
            self._wake.set()

    @property
    def waiting(self) -> int:
        return len(self._arrived)

    def take(self) -> InHand | None:
        """The next message that still lives."""
        while self._arrived:
            received = self._arrived.popleft()
            if received.alive:
                return InHand(self._consumer, received)
        return None
