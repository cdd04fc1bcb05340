"""A website for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.feeds.website import Website, open_website


@pytest.fixture
async def website() -> AsyncIterator[Website]:
    async with open_website() as running:
        yield running
