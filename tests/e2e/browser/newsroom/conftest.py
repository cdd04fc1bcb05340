"""Only where a browser and axe-core are there: `make browser-test`."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.e2e.browser.newsroom.inspection import Inspector

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_BROWSER") == "1" else ["test_*.py"]

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"


@pytest.fixture
async def inspector(browser: Browser) -> AsyncIterator[Inspector]:
    """Opens pages, and fails at the end if the browser has complained about any."""
    async with Inspector(browser, AXE.read_text()) as inspector:
        yield inspector
        assert inspector.complaints == []
