"""The messages that a consumer has in hand until it is closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from shared.amqp.pausable import PausableConsumer
from shared.runtime.background import run_in_background
from tests.servers import wait_for


class FakeConsumer:
    """A consumer with these messages and no more."""

    def __init__(self, *messages: Any) -> None:
        self.messages = [*messages]

    async def receive(self) -> Any:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)


async def test_what_comes_again_is_not_taken_and_a_closed_consumer_has_nothing_in_hand() -> None:
    living: Any = SimpleNamespace(alive=True)
    dead = SimpleNamespace(alive=False)

    @asynccontextmanager
    async def open_consumer() -> AsyncIterator[Any]:
        yield FakeConsumer(dead, living, living)

    consumer = PausableConsumer(open_consumer, asyncio.Event())
    async with run_in_background(consumer.run()):
        await wait_for(lambda: consumer.waiting == 3)
        assert consumer.take() is living
        consumer.close()
        await wait_for(lambda: consumer.waiting == 0)
        assert (consumer.take(), consumer.peek()) == (None, None)
        consumer.open()
        await wait_for(lambda: consumer.waiting == 3)
