"""Replicas with the rights of their role, on a fresh database for each test; and the service as a process."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.amqp import topology
from shared.contracts.events import NoticeAccepted
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase
from tests.harness.processes import ServiceProcess
from tests.integration.subscriptions.harness import ROLE, SubscriptionsHarness, build_harness
from tests.integration.subscriptions.service_process import (
    BrokerHarness,
    open_broker_harness,
    run_service,
)
from tests.servers import Servers, connect_to_database


@pytest.fixture
async def pool(database: FreshDatabase) -> AsyncIterator[Pool]:
    async with database.open_pool(ROLE, size=20) as pool:
        yield pool


def _define_login(role: str) -> Any:
    """A connection with the rights of a role."""

    @pytest.fixture
    async def login(database: FreshDatabase) -> AsyncIterator[asyncpg.Connection]:
        async with connect_to_database(database.build_role_url(role)) as connection:
            yield connection

    return login


role, operator, monitor, newsroom = map(
    _define_login, (ROLE, "kreisfunk_operator", "kreisfunk_monitor", "kreisfunk_newsroom")
)


@pytest.fixture
async def harness(pool: Pool) -> SubscriptionsHarness:
    return build_harness(pool)


@pytest.fixture
async def other(pool: Pool) -> SubscriptionsHarness:
    """A second replica on the same database."""
    return build_harness(pool)


@pytest.fixture(scope="module")
async def module_broker(
    servers: Servers, vhost: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BrokerHarness]:
    async with open_broker_harness(servers, vhost, tmp_path_factory.mktemp("county")) as broker:
        yield broker


@pytest.fixture
async def broker(module_broker: BrokerHarness) -> BrokerHarness:
    """With empty queues."""
    dead_letters = [queue.dead_letter_queue for queue in topology.QUEUES]
    for name in (*(queue.name for queue in topology.QUEUES), *dead_letters, topology.NOTICES_QUARANTINE):
        await (await module_broker.channel.get_queue(name, ensure=False)).purge()
    await module_broker.list_events(NoticeAccepted)
    return module_broker


@pytest.fixture
async def service(broker: BrokerHarness, database: FreshDatabase, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    async with run_service(broker, database.build_role_url(ROLE), tmp_path / "log") as running:
        yield running


@pytest.fixture(scope="module")
async def module_service(
    module_broker: BrokerHarness, module_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcess]:
    log = tmp_path_factory.mktemp("service") / "log"
    async with run_service(module_broker, module_database.build_role_url(ROLE), log) as running:
        yield running
