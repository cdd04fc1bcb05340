"""One system for all tests of this folder."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.steering.harness import SteeringHarness, run_steering_harness


@pytest.fixture(scope="package")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SteeringHarness]:
    async with run_steering_harness(tmp_path_factory.mktemp("town")) as running:
        yield running
