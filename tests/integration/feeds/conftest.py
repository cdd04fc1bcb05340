"""A website, and a harness for each test; the notices API, its broker and the token are real."""

from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import pytest

from tests.harness.notices_api import NoticesApi, run_notices_api
from tests.harness.notices_county import token, write_tokens
from tests.harness.notices_proxy import run_notices_proxy
from tests.harness.service_login import service_login
from tests.harness.website import FakeWebsite, run_website
from tests.integration.feeds.harness import FeedsHarness, write_feeds_county
from tests.servers import Servers, fetch_until


@pytest.fixture
async def website() -> AsyncIterator[FakeWebsite]:
    async with run_website() as running:
        yield running


@pytest.fixture(scope="module")
async def api(servers: Servers, vhost: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NoticesApi]:
    folder = tmp_path_factory.mktemp("notices")
    settings = {"KREISFUNK_COUNTY_FILE": str(write_feeds_county(folder))}
    async with (
        service_login(servers, vhost, "notices") as url,
        run_notices_api(url, folder, settings=settings) as running,
    ):
        write_tokens(running.tokens_file, token("feeds", "feeds"))
        await fetch_until(lambda: running.ask("GET", "/notices", token="feeds"), lambda found: found.status == 200)
        yield running


@pytest.fixture
async def harness(vhost: str, api: NoticesApi, website: FakeWebsite, tmp_path: Path) -> AsyncIterator[FeedsHarness]:
    async with await aio_pika.connect_robust(vhost) as connection, run_notices_proxy(api.url) as proxy:
        harness = FeedsHarness(folder=tmp_path, website=website, api=api, proxy=proxy, connection=connection)
        await harness.list_published()
        harness.arrived.clear()
        yield harness
