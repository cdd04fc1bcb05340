"""A stream reader: a recreated stream is read from its beginning, and a slow broker is no empty stream."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from shared.amqp.stream import StreamReader
from shared.amqp.topology import ANSWERS, STREAMS, declare_stream
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, run_proxy_to
from tests.servers import wait_for

SLOW = NetworkConditions(bytes_per_second=40_000)
LARGE = "a" * 80_000
AWAY = NetworkConditions(refuse=True)


@dataclass
class AnswerStream:
    """The stream of answers, with what a reader of it has taken."""

    channel: AbstractChannel
    taken: list[str] = field(default_factory=list)

    async def make_anew(self) -> None:
        """As if the broker's volume had been lost."""
        await self.channel.queue_delete(ANSWERS)
        await declare_stream(self.channel, next(stream for stream in STREAMS if stream.name == ANSWERS))

    async def publish(self, *texts: str) -> None:
        for text in texts:
            message = aio_pika.Message(text.encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await self.channel.default_exchange.publish(message, ANSWERS)

    async def is_counted(self) -> bool:
        """Return whether the broker says that there are messages, which takes it some seconds."""
        declared = await self.channel.declare_queue(ANSWERS, passive=True)
        return bool(declared.declaration_result.message_count)

    @asynccontextmanager
    async def read(self, reader: StreamReader) -> AsyncIterator[None]:
        reading = asyncio.create_task(reader.run(lambda message, _: self.taken.append(message.body.decode())))
        try:
            yield
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def wait_until_taken(self, *texts: str) -> None:
        await wait_for(lambda: self.taken == list(texts))


@pytest.fixture
async def stream(vhost: str) -> AsyncIterator[AnswerStream]:
    async with await aio_pika.connect(vhost) as connection:
        stream = AnswerStream(await connection.channel())
        await stream.make_anew()
        yield stream


def build_reader(url: str, max_age: str = "7D") -> StreamReader:
    return StreamReader(url, None, "test", ANSWERS, max_age)


async def test_a_reader_whose_stream_is_made_anew_while_the_broker_is_away_reads_all_of_it(
    stream: AnswerStream, vhost: str
) -> None:
    await stream.publish("a", "b", "c")
    async with run_proxy_to(vhost) as (proxy, url), stream.read(build_reader(url)):
        await stream.wait_until_taken("a", "b", "c")
        proxy.set_conditions(AWAY)
        await stream.make_anew()
        await stream.publish("d")
        proxy.set_conditions(UNDISTURBED_NETWORK)
        await stream.wait_until_taken("a", "b", "c", "d")


async def test_a_slow_broker_is_no_empty_stream(stream: AnswerStream, vhost: str) -> None:
    await stream.publish(LARGE)
    await wait_for(stream.is_counted)
    async with run_proxy_to(vhost) as (proxy, url):
        proxy.set_conditions(SLOW)
        reader = build_reader(url)
        async with stream.read(reader):
            await wait_for(lambda: reader.is_current)
            assert stream.taken == [LARGE]


async def test_a_stream_in_which_all_is_too_old_has_been_read(stream: AnswerStream, vhost: str) -> None:
    await stream.publish("a")
    await wait_for(stream.is_counted)
    old_at = time.monotonic() + 2
    await wait_for(lambda: time.monotonic() > old_at)
    reader = build_reader(vhost, "1s")
    async with stream.read(reader):
        await wait_for(lambda: reader.is_current)
        assert stream.taken == []
        await stream.publish("b")
        await stream.wait_until_taken("b")
        assert reader.is_current
