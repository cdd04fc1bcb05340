"""Only where a browser and axe-core are there: `make browser-test`."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.e2e.browser.conftest import CHROMIUM
from tests.e2e.browser.newsroom.inspection import Inspector

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_BROWSER") == "1" else ["test_*.py"]

GERMAN = {**os.environ, "LANGUAGE": "de", "LANG": "de_DE.UTF-8"}
AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A German one, so that its date fields are."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--lang=de"], env=GERMAN)
        try:
            yield started
        finally:
            await started.close()


@pytest.fixture
async def inspector(browser: Browser) -> AsyncIterator[Inspector]:
    """Opens pages, and fails at the end if the browser has complained about any."""
    async with Inspector(browser, AXE.read_text()) as inspector:
        yield inspector
        assert inspector.complaints == []
