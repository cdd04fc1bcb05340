"""What the ingress does not understand is kept for some days: "Löschen" cannot reach it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.amqp import topology
from shared.amqp.connection import Connection, connect
from shared.amqp.inspection import open_queue_browser
from tests.harness.ingress import IngressProcess
from tests.harness.ingress_queues import IngressQueues, open_queues
from tests.servers import wait_for


@pytest.fixture(scope="module")
async def module_queues(vhost: str) -> AsyncIterator[IngressQueues]:
    """Queues in which days are seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topology, "QUARANTINE_MAX_AGE", timedelta(seconds=topology.QUARANTINE_MAX_AGE.days))
        async with open_queues(vhost) as queues:
            yield queues


async def test_it_ends_by_itself_also_if_somebody_looked(
    ingress: IngressProcess, queues: IngressQueues, vhost: str
) -> None:
    assert await ingress.post(b"Stop, but no JSON") == 200
    async with connect(vhost, password=None, name="test") as connection:
        async with open_queue_browser(connection, [topology.QUARANTINE]) as kept:
            assert len([message async for message in kept.browse(10)]) == 1
        await wait_for(lambda: has(connection, 1))
        await wait_for(lambda: has(connection, 0))


async def has(connection: Connection, number: int) -> bool:
    async with open_queue_browser(connection, [topology.QUARANTINE]) as kept:
        return await kept.count() == number
