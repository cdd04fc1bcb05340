"""One system with everything in it, and a Prometheus that watches it."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.monitoring.watched_town import WatchedTown, run_watched_town


@pytest.fixture(scope="package")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WatchedTown]:
    async with run_watched_town(tmp_path_factory.mktemp("watched")) as running:
        yield running
