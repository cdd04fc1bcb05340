"""Only where a browser and axe-core are there: `make browser-test`."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import Browser

from deploy.paths import CONFIG
from tests.databases import FreshDatabase, create_database
from tests.e2e.browser.newsroom.inspection import ASSETS, Inspector
from tests.e2e.browser.newsroom.rows import fill_newsroom
from tests.harness.newsroom import NewsroomProcess, run_newsroom
from tests.servers import Servers, connect_to_database

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_BROWSER") == "1" else ["test_*.py"]

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"


@pytest.fixture
async def inspector(browser: Browser) -> AsyncIterator[Inspector]:
    """Opens pages, and fails at the end if the browser has complained about any."""
    inspector = Inspector(browser, AXE.read_text())
    yield inspector
    await inspector.close()
    assert inspector.complaints == []


def _run_newsroom(
    broker_url: str, database: FreshDatabase, folder: Path, assets: Path = ASSETS
) -> AbstractAsyncContextManager[NewsroomProcess]:
    """Run one in a county where leads approve amounts."""
    rules = folder / "newsroom.toml"
    rules.write_text(f'{(CONFIG / "newsroom.toml").read_text()}\nlead_euros = "1000"\n')
    settings = {
        "KREISFUNK_NEWSROOM_ASSETS": str(assets),
        "KREISFUNK_NEWSROOM_RULES_FILE": str(rules),
        "KREISFUNK_ARCHIVE_PHONE": "+49 4791 930 9999",
    }
    return run_newsroom(broker_url, database, folder, settings=settings)


@pytest.fixture
async def fresh_newsroom(database: FreshDatabase, vhost: str, tmp_path: Path) -> AsyncIterator[NewsroomProcess]:
    """For one test alone."""
    async with _run_newsroom(vhost, database, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
async def newsroom(
    module_database: FreshDatabase, vhost: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NewsroomProcess]:
    """With what other tests of the module have left there."""
    async with _run_newsroom(vhost, module_database, tmp_path_factory.mktemp("newsroom")) as running:
        yield running


@pytest.fixture(scope="module")
async def filled_database(servers: Servers, database_template: str) -> AsyncIterator[FreshDatabase]:
    async with create_database(servers, database_template) as fresh:
        async with connect_to_database(fresh.url) as owner:
            await fill_newsroom(owner)
        yield fresh


@pytest.fixture(scope="module")
async def filled(
    filled_database: FreshDatabase, vhost: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[NewsroomProcess]:
    """In use, with KERN or the assets that a test names; tests read it only."""
    assets = getattr(request, "param", ASSETS)
    async with _run_newsroom(vhost, filled_database, tmp_path_factory.mktemp("filled"), assets) as running:
        yield running
