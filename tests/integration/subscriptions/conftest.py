"""Replicas with the rights of their role, on one fresh database a test."""

from collections.abc import AsyncIterator

import pytest

from shared.database.pool import Database as Pool
from shared.database.pool import open_database
from tests.databases import Database
from tests.integration.subscriptions.stand import Stand, stand_on

ROLE = "kreisfunk_subscriptions"


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with open_database(database.url_as(ROLE), password=None, name="test", size=20) as pool:
        yield pool


@pytest.fixture
async def stand(pool: Pool) -> Stand:
    return stand_on(pool)


@pytest.fixture
async def other(pool: Pool) -> Stand:
    """A second replica on the same database."""
    return stand_on(pool)
