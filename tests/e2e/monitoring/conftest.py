"""One system with everything in it, and a Prometheus that watches it."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.monitoring.monitored_system import MonitoredSystem, run_monitored_system
from tests.servers import make_folder


@pytest.fixture(scope="package")
async def system() -> AsyncIterator[MonitoredSystem]:
    with make_folder() as folder:
        async with run_monitored_system(folder) as running:
            yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What has to go wrong for a minute has it while other tests of its module run."""
    for late in [item for item in items if item.name == "test_what_has_gone_wrong_for_a_minute"]:
        last = max(at for at, item in enumerate(items) if item.path == late.path)
        items.remove(late)
        items.insert(last, late)
