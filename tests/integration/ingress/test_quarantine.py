"""Webhooks that the ingress cannot parse expire after some days: "Löschen" cannot reach them."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from unittest.mock import patch

import pytest

from shared.amqp import topology
from shared.amqp.connection import Connection, connect
from shared.amqp.inspection import open_queue_browser
from tests.contract_recorder.recorder import ContractRecorder, record_contracts
from tests.harness.ingress import IngressProcess
from tests.harness.ingress_queues import IngressQueues
from tests.servers import Servers, create_vhost, declare_topology, wait_for


@pytest.fixture(scope="module")
async def recorder(servers: Servers) -> AsyncIterator[ContractRecorder]:
    """A vhost of its own, in which days are seconds."""
    seconds = timedelta(seconds=topology.QUARANTINE_MAX_AGE.days)
    async with (
        create_vhost(servers, f"seconds-{secrets.token_hex(6)}") as url,
        record_contracts(url, servers.broker_api_url) as recorder,
    ):
        with patch.object(topology, "QUARANTINE_MAX_AGE", seconds):
            await declare_topology(url)
        yield recorder


async def test_it_ends_by_itself_also_if_somebody_looked(
    ingress: IngressProcess, queues: IngressQueues, vhost: str
) -> None:
    assert await ingress.post(b"Stop, but no JSON") == 200
    async with connect(vhost, password=None, name="test") as connection:
        async with open_queue_browser(connection, [topology.QUARANTINE]) as browser:
            assert len([message async for message in browser.browse(10)]) == 1
        await wait_for(lambda: has(connection, 1))
        await wait_for(lambda: has(connection, 0))


async def has(connection: Connection, number: int) -> bool:
    async with open_queue_browser(connection, [topology.QUARANTINE]) as browser:
        return await browser.count() == number
