"""On a narrow telephone no word is torn apart that fits there, and no code at its hyphen."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.databases import FreshDatabase
from tests.e2e.browser.newsroom.crawler import walk
from tests.e2e.browser.newsroom.inspection import ASSETS, PHONE, Inspector, list_torn_words
from tests.e2e.browser.newsroom.process import NewsroomProcess, run_newsroom
from tests.e2e.browser.newsroom.rows import STATES, fill_newsroom, find_draft
from tests.e2e.browser.newsroom.visitors import add_cookie, create_session

WIDTHS = range(320, 480, 10)


@pytest.fixture
async def newsroom(database: FreshDatabase, vhost: str, tmp_path: Path) -> AsyncIterator[NewsroomProcess]:
    async with run_newsroom(database, vhost, tmp_path, ASSETS) as running:
        yield running


async def test_words_and_codes_stay_whole(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    await fill_newsroom(newsroom.database)
    context = await inspector.open_context(PHONE)
    await add_cookie(context, newsroom.url, await create_session(newsroom.database, "Redaktion"))
    page = await inspector.open(context, newsroom.url)
    torn = {shape: words async for shape in walk(page, newsroom.url) if (words := await list_torn_words(page))}
    for state in STATES:
        path = await find_draft(newsroom.database, state)
        for suffix in ("", "?bearbeiten=1", "/pruefung"):
            await page.goto(newsroom.url + path + suffix)
            if words := await list_torn_words(page):
                torn[f"{state} {suffix}"] = words
    for width in WIDTHS:  # wherever the line ends
        await page.set_viewport_size({"width": width, "height": PHONE[1]})
        if words := await list_torn_words(page):
            torn[f"{width}"] = words
    assert torn == {}
