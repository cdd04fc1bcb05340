"""A ledger as the service has it: with the rights of its role; and dispatchers against an endpoint of our own."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.rate_limiter import PostgresRateLimiter
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase
from tests.integration.dispatcher.endpoint_harness import (
    EndpointHarness,
    run_endpoint_harness,
    run_separate_harness,
)
from tests.integration.dispatcher.factories import NUMBER as NUMBER
from tests.servers import Servers, connect_to_database


@pytest.fixture
async def pool(database: FreshDatabase) -> AsyncIterator[Pool]:
    async with database.open_pool("kreisfunk_dispatcher", size=8) as pool:
        yield pool


@pytest.fixture
async def ledger(pool: Pool) -> PostgresLedger:
    ledger = PostgresLedger(pool, number=NUMBER, slot=3)
    await ledger.ensure_partitions()
    await PostgresRateLimiter(pool, number=NUMBER, limit=100).set_up()
    return ledger


@pytest.fixture
async def operator(database: FreshDatabase) -> AsyncIterator[asyncpg.Connection]:
    async with connect_to_database(database.build_role_url("kreisfunk_operator")) as connection:
        yield connection


@pytest.fixture
async def harness(vhost: str, database: FreshDatabase, tmp_path: Path) -> AsyncIterator[EndpointHarness]:
    async with run_endpoint_harness(vhost, database, tmp_path) as harness:
        yield harness


@pytest.fixture
async def second_harness(servers: Servers, database_template: str, tmp_path: Path) -> AsyncIterator[EndpointHarness]:
    """One more, with which the first has nothing in common."""
    folder = tmp_path / "second"
    folder.mkdir()
    async with run_separate_harness(servers, database_template, folder) as harness:
        yield harness
