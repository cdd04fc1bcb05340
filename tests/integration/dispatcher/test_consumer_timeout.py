"""RabbitMQ closes the channel of whoever keeps a message too long; a dispatcher that may not send keeps none."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import asyncpg
import pytest

from deploy.local.rabbitmq import run_rabbitmq
from services.dispatcher.handlers.send_loop import LANES_CLOSE_DELAY_SECONDS
from shared.amqp import topology
from shared.contracts.message import Lane
from tests.contract_recorder.recorder import record_contracts
from tests.contract_recorder.tracing import trace_from_the_start
from tests.databases import FreshDatabase
from tests.integration.dispatcher.endpoint_harness import EndpointHarness, run_endpoint_harness
from tests.servers import declare_topology, wait_until_equal

# As much longer than the lanes' own delay as half an hour, which is usual, is not necessary here.
CONSUMER_TIMEOUT_SECONDS = LANES_CLOSE_DELAY_SECONDS + 8
# RabbitMQ looks for late acknowledgements once a minute otherwise.
CHECK_SECONDS = 1.0
IMPATIENT = {
    "consumer_timeout": round(CONSUMER_TIMEOUT_SECONDS * 1000),
    "channel_tick_interval": round(CHECK_SECONDS * 1000),
}
QUEUE = "test.delayed"


@dataclass(frozen=True)
class ImpatientBroker:
    harness: EndpointHarness
    log: Path

    def count_timeouts(self) -> int:
        return self.log.read_text().count("timed out waiting for a consumer acknowledgement")


@pytest.fixture
async def impatient(database: FreshDatabase, tmp_path: Path) -> AsyncIterator[ImpatientBroker]:
    folder = tmp_path / "broker"
    trace_from_the_start(folder, **IMPATIENT)
    async with run_rabbitmq(folder, secrets.token_hex(16)) as broker:
        await declare_topology(broker.url)
        async with (
            record_contracts(broker.url, broker.api_url),
            run_endpoint_harness(broker.url, database, tmp_path) as harness,
        ):
            yield ImpatientBroker(harness, folder / "rabbitmq.log")


async def leave_unacknowledged(_: aio_pika.abc.AbstractIncomingMessage) -> None:
    """Never acknowledge."""


async def lose_a_channel(harness: EndpointHarness) -> None:
    """Keep copies of the bulk lane's messages until RabbitMQ closes the channel."""
    async with await aio_pika.connect(harness.broker_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(topology.DISPATCH, Lane.BULK.value)
        await queue.consume(leave_unacknowledged)
        await harness.publish_broadcast(harness.build_citizens(300))
        async with asyncio.timeout(CONSUMER_TIMEOUT_SECONDS + 20):
            await channel.closed()


@pytest.mark.timeout(300)
async def test_a_pause_longer_than_rabbitmqs_timeout_costs_no_channel_and_no_message(
    impatient: ImpatientBroker, operator: asyncpg.Connection
) -> None:
    harness = impatient.harness
    await harness.start()
    await operator.execute("select dispatcher.pause_sending('Wartung', null)")
    for citizen in harness.build_citizens(20):
        await harness.request_reply(citizen, "Guten Tag")
    await wait_until_equal(lambda: harness.count_messages(topology.LANES[Lane.REPLY].name), 0)
    await lose_a_channel(harness)
    assert harness.endpoint.requests == []
    await operator.execute("select dispatcher.resume_sending(null)")
    await harness.wait_for_accepted(320)
    assert impatient.count_timeouts() == 1
    assert [await harness.count_messages(queue.dead_letter_queue) for queue in topology.LANES.values()] == [0, 0, 0]
