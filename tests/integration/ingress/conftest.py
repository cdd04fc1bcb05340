"""One ingress and one set of queues for the tests of a module; each test finds the queues empty."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.ingress.process import Ingress, running_ingress
from tests.integration.ingress.queues import Queues, open_queues


@pytest.fixture(scope="module")
async def module_queues(vhost: str) -> AsyncIterator[Queues]:
    async with open_queues(vhost) as queues:
        yield queues


@pytest.fixture
async def queues(module_queues: Queues) -> Queues:
    await module_queues.purge()
    return module_queues


@pytest.fixture(scope="module")
async def ingress(
    vhost: str, module_queues: Queues, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ingress]:
    async with running_ingress(vhost, tmp_path_factory.mktemp("ingress") / "ingress.log") as running:
        yield running
