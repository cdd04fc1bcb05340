"""One browser for all tests of this folder; a fresh simulator for each, or one system for those that play dialogues."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.e2e.browser.fake_county import FakeCounty, run_county

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_BROWSER") == "1" else ["test_*.py"]

# Workers and their browsers share the machine.
expect.set_options(timeout=20_000)

# Preferably without windows: it opens a page in a third of the time.
CHROMIUM = (
    os.environ.get("KREISFUNK_TEST_CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM)
        try:
            yield started
        finally:
            await started.close()


@pytest.fixture
async def county() -> AsyncIterator[FakeCounty]:
    async with run_county() as running:
        yield running
