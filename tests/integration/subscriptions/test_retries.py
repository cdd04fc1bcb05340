"""What is parked for later is still what its publisher sent."""

import asyncio
from pathlib import Path

import pytest

from shared.amqp import topology
from shared.amqp.connection import connect
from shared.amqp.consumer import open_consumer, work
from shared.amqp.received import Received
from shared.outcome import Done, Outcome, RetryLater
from tests.integration.subscriptions.process import broker_on
from tests.servers import Servers


@pytest.mark.foreign_messages("what is parked is not read, and need not be a notice")
async def test_a_retry_keeps_who_published_and_how(servers: Servers, vhost: str, tmp_path: Path) -> None:
    seen: list[tuple[str | None, str | None, object, int]] = []
    finished = asyncio.Event()

    async def handle(received: Received) -> Outcome:
        seen.append((received.user_id, received.incoming.content_type, received.headers.get("ce-id"), received.attempt))
        if received.attempt == 1:
            return RetryLater(1, "not now")
        finished.set()
        return Done()

    async with (
        broker_on(servers, vhost, tmp_path) as broker,
        connect(broker.service_url, password=None, name="test") as connection,
        open_consumer(connection, connection, topology.SUBSCRIPTIONS_NOTICES, prefetch=1) as consumer,
    ):
        working = asyncio.create_task(work(consumer, handle, until=finished))
        headers = {"ce-id": "retried"}
        await broker.publish_notice(b"{}", content_type="application/json", headers=headers)
        async with asyncio.timeout(20):
            await working
    assert seen == [(broker.press, "application/json", "retried", attempt) for attempt in (1, 2)]
