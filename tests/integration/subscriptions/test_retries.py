"""A message that waits for a retry is still what its publisher sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aio_pika import Message
from structlog.testing import capture_logs

from shared.amqp import topology
from shared.amqp.connection import Connection, connect
from shared.amqp.consumer import MAX_ATTEMPTS, Consumer, Handler, ReceivedMessage, open_consumer, run_worker
from shared.outcome import Done, Outcome, Rejected, RetryLater, Separate
from tests.integration.subscriptions.service_process import BrokerHarness
from tests.servers import WAIT_TIMEOUT_SECONDS, Servers, call_broker_api, wait_for

INBOUND, NOTICES = topology.SUBSCRIPTIONS_INBOUND, topology.SUBSCRIPTIONS_NOTICES
FOREIGN = pytest.mark.foreign_messages("what is retried or given back is not read")


@pytest.fixture
async def connection(broker: BrokerHarness) -> AsyncIterator[Connection]:
    async with connect(broker.service_url, password=None, name="test") as connection:
        yield connection


@asynccontextmanager
async def run_consumer(
    connection: Connection, queue: topology.Queue, handle: Handler, finished: asyncio.Event
) -> AsyncIterator[Consumer]:
    """A consumer that works until it has `finished`, for which the end of the block waits."""
    async with open_consumer(connection, connection, queue, prefetch=1) as consumer:
        working = asyncio.create_task(run_worker(consumer, handle, until=finished))
        yield consumer
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await working


@FOREIGN
async def test_a_retry_keeps_who_published_and_how(broker: BrokerHarness, connection: Connection) -> None:
    seen: list[tuple[str | None, str | None, object, int]] = []
    finished = asyncio.Event()

    async def handle(received: ReceivedMessage) -> Outcome:
        seen.append((received.user_id, received.incoming.content_type, received.headers.get("ce-id"), received.attempt))
        if received.attempt == 1:
            return RetryLater(1, "not now")
        finished.set()
        return Done()

    async with run_consumer(connection, NOTICES, handle, finished):
        headers = {"ce-id": "retried", "attempt": 2**63 - 1}  # only our own word about attempts counts
        await broker.publish_notice(b"{}", content_type="application/json", headers=headers)
    assert seen == [(broker.municipal_login, "application/json", "retried", attempt) for attempt in (1, 2)]


@FOREIGN
async def test_what_fails_leaves_its_group_and_comes_again_alone(broker: BrokerHarness, connection: Connection) -> None:
    seen: list[tuple[str, bytes, int]] = []
    finished = asyncio.Event()

    async def handle(received: ReceivedMessage) -> Outcome:
        seen.append((received.message_id, received.body, received.attempt))
        if received.body == b"whole":
            return Separate({"first": b"one", "second": b"two"}, 1, "unexpected Error")
        if len(seen) == 3:
            finished.set()
        return Done()

    async with run_consumer(connection, INBOUND, handle, finished):
        await broker.publish(topology.INBOUND, "messages", b"whole")
    assert await broker.count_messages(INBOUND.name) == 0
    assert seen[0][1:] == (b"whole", 1)
    assert sorted(seen[1:]) == [("first", b"one", 2), ("second", b"two", 2)]


@FOREIGN
async def test_after_the_last_attempt_each_part_is_a_dead_letter_with_its_reason(
    broker: BrokerHarness, connection: Connection
) -> None:
    finished = asyncio.Event()

    async def handle(received: ReceivedMessage) -> Outcome:
        finished.set()
        return Separate({"first": b"one"}, 1, "unexpected Error")

    async with run_consumer(connection, INBOUND, handle, finished) as consumer:
        await consumer.retry_publisher.publish(
            INBOUND.retry_exchange,
            INBOUND.name_retry_queue("1s"),
            b"one",
            message_id="one",
            headers={"attempt": MAX_ATTEMPTS},
            user_id=broker.service_login,
        )
    dead = await broker.take(INBOUND.dead_letter_queue)
    assert dead is not None
    assert (dead.message_id, dead.body, dead.headers["reason"]) == ("first", b"one", "unexpected Error")


@FOREIGN
async def test_what_cannot_be_parked_is_parked_as_soon_as_it_can_be(
    servers: Servers, vhost: str, broker: BrokerHarness, connection: Connection
) -> None:
    tier = INBOUND.name_retry_queue("10m")
    finished = asyncio.Event()

    async def handle(received: ReceivedMessage) -> Outcome:
        return RetryLater(600, "not now")

    async with run_consumer(connection, INBOUND, handle, finished):
        async with filled_queue(servers, vhost, broker, tier):
            with capture_logs() as logs:
                await broker.publish(topology.INBOUND, "messages", b"whole")
                await wait_for(lambda: any(entry["event"] == "settle_failed" for entry in logs))
        await broker.wait_for_count(tier, 4)
        finished.set()


@FOREIGN
async def test_the_attempt_is_the_last_where_what_outsiders_sent_fills_all_room_for_retries(
    servers: Servers, vhost: str, broker: BrokerHarness, connection: Connection
) -> None:
    """Nobody waits for the room: whoever sent it is answered at once."""
    tier = NOTICES.name_retry_queue("10m")
    attempts: list[int] = []
    finished = asyncio.Event()

    async def handle(received: ReceivedMessage) -> Outcome:
        attempts.append(received.attempt)
        if received.attempt < MAX_ATTEMPTS:
            return RetryLater(600, "not now")
        finished.set()
        return Done()

    async with filled_queue(servers, vhost, broker, tier):
        async with run_consumer(connection, NOTICES, handle, finished):
            await broker.publish_notice(b"{}")
        assert await broker.count_messages(tier) == 3
        assert await broker.count_messages(NOTICES.name) == 0
    assert attempts == [1, MAX_ATTEMPTS]


def test_what_outsiders_sent_has_only_so_much_room_for_retries() -> None:
    arguments = topology.list_arguments()
    for queue in topology.QUEUES:
        for tier in map(queue.name_retry_queue, topology.RETRY_TIERS):
            bounds = (arguments[tier].get("x-max-length"), arguments[tier].get("x-max-length-bytes"))
            assert bounds == ((queue.max_length, queue.max_bytes) if queue.has_bounded_retries else (None, None))


@asynccontextmanager
async def filled_queue(servers: Servers, vhost: str, broker: BrokerHarness, name: str) -> AsyncIterator[None]:
    """Let a queue refuse messages meanwhile: it has three, more than allowed."""
    policy = f"policies/{vhost.rpartition('/')[2]}/full"
    for _ in range(3):
        await broker.channel.default_exchange.publish(Message(b"{}"), name)
    await call_broker_api(servers, "PUT", policy, {"pattern": f"^{name}$", "definition": {"max-length": 1}})
    yield
    await call_broker_api(servers, "DELETE", policy)


@FOREIGN
async def test_what_cannot_be_written_at_all_is_left_to_the_broker_and_the_next_one_is_handled(
    broker: BrokerHarness, connection: Connection
) -> None:
    finished = asyncio.Event()

    async def handle(received: ReceivedMessage) -> Outcome:
        if received.body == b"first":
            return Rejected("no such character", {"event": "\ud800"})
        finished.set()
        return Done()

    async with run_consumer(connection, NOTICES, handle, finished):
        for body in (b"first", b"second"):
            await broker.publish_notice(body)
    assert (await broker.wait_for_message(NOTICES.dead_letter_queue)).body == b"first"


@FOREIGN
async def test_what_was_given_back_to_the_broker_needs_no_word(broker: BrokerHarness, connection: Connection) -> None:
    await broker.publish_notice(b"{}")
    async with open_consumer(connection, connection, NOTICES, prefetch=1) as consumer:
        received = await consumer.receive()
    with capture_logs() as logs:
        await received.settle(Done())
    assert logs == []
    async with open_consumer(connection, connection, NOTICES, prefetch=1) as consumer:
        await (await consumer.receive()).settle(Done())


@FOREIGN
async def test_what_is_settled_while_its_consumer_closes_does_not_cost_the_connection(
    broker: BrokerHarness, connection: Connection
) -> None:
    lost: list[object] = []
    connection.close_callbacks.add(lambda *_: lost.append("connection"))
    await broker.publish_notice(b"{}")
    for _ in range(5):
        async with AsyncExitStack() as ends:
            context = open_consumer(connection, connection, NOTICES, prefetch=1)
            consumer = await ends.enter_async_context(context)
            received = await consumer.receive()
            closing = asyncio.create_task(ends.pop_all().aclose())
            await asyncio.sleep(0)
            await received.settle(Done())
            await closing
    async with open_consumer(connection, connection, NOTICES, prefetch=1) as consumer:
        await (await consumer.receive()).settle(Done())
    assert lost == []
