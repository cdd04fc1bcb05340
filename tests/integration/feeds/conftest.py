"""A website and an office for each test; the broker, the login and its permissions are real."""

from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import pytest

from shared.amqp import topology
from tests.integration.cli.desk import let_log_in
from tests.integration.feeds.office import Office
from tests.integration.feeds.website import Website, open_website
from tests.servers import Servers


@pytest.fixture
async def website() -> AsyncIterator[Website]:
    async with open_website() as running:
        yield running


@pytest.fixture(scope="module")
async def declared_vhost(vhost: str) -> str:
    async with await aio_pika.connect(vhost) as connection:
        await topology.declare(await connection.channel())
    return vhost


@pytest.fixture(scope="module")
async def broker_url(servers: Servers, declared_vhost: str) -> str:
    return await let_log_in(servers, declared_vhost, "feeds")


@pytest.fixture
async def office(declared_vhost: str, broker_url: str, website: Website, tmp_path: Path) -> AsyncIterator[Office]:
    async with await aio_pika.connect_robust(declared_vhost) as connection:
        environment = {"KREISFUNK_BROKER_URL": broker_url}
        office = Office(folder=tmp_path, url=website.url, environment=environment, connection=connection)
        await office.published()
        office.arrived.clear()
        await office.forget_answers()
        yield office
