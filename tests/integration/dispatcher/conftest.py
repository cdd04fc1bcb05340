"""A ledger as the service has it: with the rights of its role; and dispatchers against an endpoint of our own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import Limits, PostgresLimiter
from shared.database.pool import Database as Pool
from shared.database.pool import open_database
from tests.databases import Database
from tests.integration.dispatcher.endpoint_rig import EndpointRig, running_endpoint_rig

NUMBER = "700800900100200"


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with open_database(database.url_as("kreisfunk_dispatcher"), password=None, name="test", size=8) as pool:
        yield pool


@pytest.fixture
async def ledger(pool: Pool) -> PostgresLedger:
    ledger = PostgresLedger(pool, number=NUMBER, slot=3)
    await ledger.ensure_partitions()
    await PostgresLimiter(pool, number=NUMBER, limits=Limits(100)).set_up()
    return ledger


@pytest.fixture
async def endpoint_rig(vhost: str, database: Database, tmp_path: Path) -> AsyncIterator[EndpointRig]:
    async with running_endpoint_rig(vhost, database, tmp_path) as rig:
        yield rig
