"""Only where a browser and axe-core are there: `make browser-test`."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from deploy.paths import CONFIG
from tests.databases import FreshDatabase
from tests.e2e.browser.newsroom.inspection import ASSETS, Inspector
from tests.e2e.browser.newsroom.rows import fill_newsroom
from tests.harness.newsroom import NewsroomProcess, run_newsroom

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_BROWSER") == "1" else ["test_*.py"]

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"


@pytest.fixture
async def inspector(browser: Browser) -> AsyncIterator[Inspector]:
    """Opens pages, and fails at the end if the browser has complained about any."""
    async with Inspector(browser, AXE.read_text()) as inspector:
        yield inspector
        assert inspector.complaints == []


@pytest.fixture
async def newsroom(
    database: FreshDatabase, vhost: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[NewsroomProcess]:
    """In a county where leads approve amounts; with KERN, or with the assets that a test names."""
    rules = tmp_path / "newsroom.toml"
    rules.write_text(f'{(CONFIG / "newsroom.toml").read_text()}\nlead_euros = "1000"\n')
    settings = {
        "KREISFUNK_NEWSROOM_ASSETS": str(getattr(request, "param", ASSETS)),
        "KREISFUNK_NEWSROOM_RULES_FILE": str(rules),
        "KREISFUNK_ARCHIVE_PHONE": "+49 4791 930 9999",
    }
    async with run_newsroom(vhost, database, tmp_path, settings=settings) as running:
        yield running


@pytest.fixture
async def filled(newsroom: NewsroomProcess) -> NewsroomProcess:
    """A newsroom in use."""
    await fill_newsroom(newsroom.owner)
    return newsroom
