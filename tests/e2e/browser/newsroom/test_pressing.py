"""A nervous hand: what is pressed twice is done once, and its answer is seen."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.databases import FreshDatabase
from tests.e2e.browser.newsroom.inspection import ASSETS, Inspector
from tests.e2e.browser.newsroom.process import NewsroomProcess, run_newsroom
from tests.e2e.browser.newsroom.visitors import add_cookie, create_session

PRESS_TWICE = """button => {
    button.click();
    setTimeout(() => { button.click(); console.log("pressed again"); }, 300);
}"""


@pytest.fixture
async def newsroom(database: FreshDatabase, vhost: str, tmp_path: Path) -> AsyncIterator[NewsroomProcess]:
    async with run_newsroom(database, vhost, tmp_path, ASSETS) as running:
        yield running


async def test_a_button_that_is_pressed_twice_does_it_once(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    context = await inspector.open_context()
    await add_cookie(context, newsroom.url, await create_session(newsroom.database, "Redaktion"))
    page = await inspector.open(context, newsroom.url)
    asked: list[str] = []
    pressed_again = asyncio.Event()
    page.on("console", lambda said: pressed_again.set() if said.text == "pressed again" else None)

    async def hold(route: Route) -> None:
        asked.append(route.request.method)
        await pressed_again.wait()
        await route.continue_()

    await page.route("**/entwuerfe", hold)
    await page.get_by_role("button", name="Neue Meldung schreiben").evaluate(PRESS_TWICE)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Meldung schreiben")
    assert asked == ["POST"]
