"""A website and a harness for each test; the broker, the login and its permissions are real."""

from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import pytest

from tests.harness.website import FakeWebsite, run_website
from tests.integration.cli.notice_responder import let_log_in
from tests.integration.feeds.harness import FeedsHarness
from tests.servers import Servers


@pytest.fixture
async def website() -> AsyncIterator[FakeWebsite]:
    async with run_website() as running:
        yield running


@pytest.fixture(scope="module")
async def broker_url(servers: Servers, vhost: str) -> str:
    return await let_log_in(servers, vhost, "feeds")


@pytest.fixture
async def harness(vhost: str, broker_url: str, website: FakeWebsite, tmp_path: Path) -> AsyncIterator[FeedsHarness]:
    async with await aio_pika.connect_robust(vhost) as connection:
        environment = {"KREISFUNK_BROKER_URL": broker_url}
        harness = FeedsHarness(folder=tmp_path, website=website, environment=environment, connection=connection)
        await harness.list_published()
        harness.arrived.clear()
        await harness.delete_answers()
        yield harness
