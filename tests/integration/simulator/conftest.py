"""A fresh simulator for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.simulator.stand import Stand, running_stand


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with running_stand() as running:
        yield running
