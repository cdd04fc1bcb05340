"""A stop while a connection to the broker opens, at any of its steps: the client hides some cancellations from us."""

import asyncio
from collections.abc import Callable, Coroutine

import aio_pika
import pytest
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from shared.amqp.connection import convert_connection_errors
from shared.amqp.publisher import ReconnectingPublisher
from shared.amqp.stream import StreamReader
from shared.amqp.topology import ANSWERS, STREAMS, declare_stream
from tests.servers import wait_for

# Much more than an end takes, and less than a service has to drain.
END_TIMEOUT_SECONDS = 10.0
MILLISECONDS = range(0, 40, 2)


async def read(url: str) -> None:
    await StreamReader(url, None, "test", ANSWERS, "7D").run(lambda *_: None)


async def publish(url: str) -> None:
    async with ReconnectingPublisher().connect_in_background(url, password=None, name="test"):
        await asyncio.Event().wait()


@pytest.mark.parametrize("work", [read, publish])
async def test_whoever_is_stopped_while_it_connects_ends(
    vhost: str, work: Callable[[str], Coroutine[object, object, None]]
) -> None:
    async with await aio_pika.connect(vhost) as connection:
        channel = await connection.channel()
        await declare_stream(channel, next(stream for stream in STREAMS if stream.name == ANSWERS))
    before = list_reconnecting()
    for milliseconds in MILLISECONDS:
        working = asyncio.create_task(work(vhost))
        await asyncio.wait((working,), timeout=milliseconds / 1000)
        working.cancel()
        await asyncio.wait((working,), timeout=END_TIMEOUT_SECONDS)
        assert working.cancelled(), f"goes on after {milliseconds} ms"
    await wait_for(lambda: list_reconnecting() <= before)


def list_reconnecting() -> set[asyncio.Task[object]]:
    """Those tasks of aio-pika that go on connecting, even when they are cancelled."""
    names = {task: getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()}
    return {task for task, name in names.items() if name.startswith("RobustConnection.")}


@pytest.mark.parametrize("error", CONNECTION_EXCEPTIONS)
async def test_a_cancellation_that_becomes_an_error_of_the_connection_stays_one(error: type[Exception]) -> None:
    async def wait() -> None:
        with convert_connection_errors("cannot wait"):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise error from None

    waiting = asyncio.create_task(wait())
    await asyncio.wait((waiting,), timeout=0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
