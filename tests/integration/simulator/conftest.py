"""A fresh simulator for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.harness.simulator import SimulatorHarness, run_simulator_harness


@pytest.fixture
async def harness() -> AsyncIterator[SimulatorHarness]:
    async with run_simulator_harness() as running:
        yield running
