"""A broker whose machine vanishes silently: work survives the connection that is given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aio_pika
import pytest

from shared.amqp import connection as connection_module
from shared.amqp import topology
from shared.amqp.connection import BrokerUnavailable, Connection, connect
from shared.amqp.consumer import ReceivedMessage, open_consumer, run_worker
from shared.amqp.publisher import Publisher, open_publisher
from shared.contracts.envelope import encode
from shared.contracts.inbound import AccountEvents
from shared.outcome import Done, Outcome, RetryLater
from shared.runtime.background import run_in_background
from shared.runtime.clock import system_clock
from tests.harness.ingress_queues import open_queues
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, Proxy, run_proxy_to
from tests.servers import wait_for

QUEUE = topology.DISPATCHER_ACCOUNT


@pytest.fixture
async def silent_broker(vhost: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Connection, Proxy]]:
    """A connection that is given up after seconds of silence, and its network."""
    monkeypatch.setattr(connection_module, "HEARTBEAT_INTERVAL_SECONDS", 1)
    async with (
        open_queues(vhost),
        run_proxy_to(vhost) as (proxy, url),
        connect(url, password=None, name="test") as connection,
    ):
        yield connection, proxy


@asynccontextmanager
async def fall_silent(connection: Connection, proxy: Proxy) -> AsyncIterator[None]:
    """Silence until the connection is given up."""
    proxy.set_conditions(NetworkConditions(blackhole=True))
    yield
    await wait_for(lambda: not connection.connected.is_set())
    proxy.set_conditions(UNDISTURBED_NETWORK)


async def publish(publisher: Publisher, confirmed: list[str]) -> None:
    """Publish one message after the other, forever."""
    while True:
        try:
            message_id = uuid4().hex
            await publisher.publish("", topology.QUARANTINE, b"x", message_id=message_id)
            confirmed.append(message_id)
        except BrokerUnavailable:
            await asyncio.sleep(0.1)


async def test_whoever_publishes_goes_on(silent_broker: tuple[Connection, Proxy]) -> None:
    connection, proxy = silent_broker
    confirmed: list[str] = []

    async with open_publisher(connection) as publisher, run_in_background(publish(publisher, confirmed)):
        await wait_for(lambda: bool(confirmed))
        async with fall_silent(connection, proxy):
            pass
        confirmed.clear()
        await wait_for(lambda: bool(confirmed))


async def test_whoever_handles_messages_goes_on(silent_broker: tuple[Connection, Proxy]) -> None:
    """It was about to publish a retry."""
    connection, proxy = silent_broker
    attempts = 0
    silent = asyncio.Event()

    async def handle(_: ReceivedMessage) -> Outcome:
        nonlocal attempts
        attempts += 1
        if attempts > 1:
            return Done()
        await silent.wait()
        return RetryLater(10, "a test")

    async with (
        open_publisher(connection) as publisher,
        open_consumer(connection, connection, QUEUE, prefetch=1) as consumer,
        run_in_background(run_worker(consumer, handle)),
    ):
        body = encode(AccountEvents(events=()), event_id="1", source="/kreisfunk/ingress", time=system_clock())
        await publisher.publish(topology.INBOUND, AccountEvents.KEY, body, message_id="1")
        await wait_for(lambda: attempts >= 1)
        async with fall_silent(connection, proxy):
            silent.set()
        await wait_for(lambda: attempts >= 2)


async def test_whoever_stops_consuming_while_the_channel_is_reopened_gets_nothing_any_more(
    vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen, cut, reopened = aio_pika.RobustChannel.reopen, asyncio.Event(), asyncio.Event()

    async def stop_meanwhile(channel: aio_pika.RobustChannel) -> None:
        if channel is consumer.channel and cut.is_set() and connection.connected.is_set():
            await asyncio.gather(reopen(channel), consumer.stop())
            reopened.set()
        else:
            await reopen(channel)

    async def is_idle() -> bool:
        queue = await observing.declare_queue(QUEUE.name, passive=True)
        return queue.declaration_result.consumer_count == 0

    monkeypatch.setattr(aio_pika.RobustChannel, "reopen", stop_meanwhile)
    async with (
        await aio_pika.connect(vhost) as observer,
        run_proxy_to(vhost) as (proxy, url),
        connect(url, password=None, name="test") as connection,
        open_consumer(connection, connection, QUEUE, prefetch=1) as consumer,
    ):
        observing = await observer.channel()
        assert not await is_idle()
        proxy.cut()
        await wait_for(lambda: not connection.connected.is_set())
        cut.set()
        await reopened.wait()
        await wait_for(is_idle, 10)


async def test_work_that_ends_as_if_it_were_cancelled_ends_the_process() -> None:
    async def end() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ExceptionGroup) as raised:
        async with run_in_background(end()):
            await asyncio.Event().wait()
    assert [type(each) for each in raised.value.exceptions] == [RuntimeError]
