"""One ingress and one set of queues for the tests of a module; each test finds the queues empty."""

from collections.abc import AsyncIterator

import pytest

from tests.harness.ingress import IngressProcess, run_ingress
from tests.harness.ingress_queues import IngressQueues, open_queues
from tests.harness.service_login import service_login
from tests.servers import Servers


@pytest.fixture(scope="module")
async def module_queues(vhost: str) -> AsyncIterator[IngressQueues]:
    async with open_queues(vhost) as queues:
        yield queues


@pytest.fixture(scope="module")
async def broker_url(servers: Servers, vhost: str, module_queues: IngressQueues) -> AsyncIterator[str]:
    async with service_login(servers, vhost, "ingress") as url:
        yield url


@pytest.fixture
async def queues(module_queues: IngressQueues) -> IngressQueues:
    await module_queues.purge()
    return module_queues


@pytest.fixture(scope="module")
async def ingress(broker_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[IngressProcess]:
    async with run_ingress(broker_url, tmp_path_factory.mktemp("ingress") / "ingress.log") as running:
        yield running
