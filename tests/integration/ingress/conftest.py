"""One ingress and one set of queues for the tests of a module; each test finds the queues empty."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from shared.amqp.permissions import SERVICES
from tests.integration.ingress.process import IngressProcess, run_ingress
from tests.integration.ingress.queues import IngressQueues, open_queues
from tests.servers import Servers, build_login_url, call_broker_api

PASSWORD = "only-for-tests"


@asynccontextmanager
async def service_login(servers: Servers, vhost: str, service: str) -> AsyncIterator[str]:
    """The URL of a login that may do what this service may, and no more."""
    path = urlsplit(vhost).path.removeprefix("/")
    login = f"{service}-{path}"
    may = SERVICES[service]
    await call_broker_api(servers, "PUT", f"users/{login}", {"password": PASSWORD, "tags": ""})
    await call_broker_api(
        servers,
        "PUT",
        f"permissions/{path}/{login}",
        {"configure": may.configure, "write": may.write, "read": may.read},
    )
    try:
        yield build_login_url(vhost, login, PASSWORD)
    finally:
        await call_broker_api(servers, "DELETE", f"users/{login}")


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
