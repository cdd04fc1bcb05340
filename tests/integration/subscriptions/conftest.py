"""Replicas with the rights of their role, on one fresh database a test."""

from collections.abc import AsyncIterator

import pytest

from shared.database.pool import Database as Pool
from shared.database.pool import open_database
from tests.databases import FreshDatabase
from tests.integration.subscriptions.harness import SubscriptionsHarness, build_harness

ROLE = "kreisfunk_subscriptions"


@pytest.fixture
async def pool(database: FreshDatabase) -> AsyncIterator[Pool]:
    async with open_database(database.build_role_url(ROLE), password=None, name="test", size=20) as pool:
        yield pool


@pytest.fixture
async def stand(pool: Pool) -> SubscriptionsHarness:
    return build_harness(pool)


@pytest.fixture
async def other(pool: Pool) -> SubscriptionsHarness:
    """A second replica on the same database."""
    return build_harness(pool)
