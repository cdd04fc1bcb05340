"""Wide tables in narrow windows: whoever scrolls one still sees which row is which."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from tests.databases import FreshDatabase
from tests.e2e.browser.newsroom.inspection import (
    ASSETS,
    DESKTOP,
    PHONE,
    SCREENSHOTS,
    TABLET,
    Inspector,
    take_screenshot,
)
from tests.e2e.browser.newsroom.process import NewsroomProcess, run_newsroom
from tests.e2e.browser.newsroom.rows import fill_newsroom
from tests.e2e.browser.newsroom.visitors import add_cookie, create_session

PAGES = ("/betrieb", "/protokoll", "/konten", "/auswertung")
_SCROLL = """
() => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  return [...document.querySelectorAll(".nr-scroll")].filter((region) => {
    region.scrollLeft = region.scrollWidth;
    return region.scrollLeft > 0;
  }).flatMap((region) => {
    const whole = region.getBoundingClientRect();
    return [...region.querySelectorAll("tr")].map((row) => {
      const cell = row.cells[0];
      const box = cell.getBoundingClientRect();
      return {
        text: `${region.ariaLabel}: ${cell.innerText}`,
        stays: Math.abs(box.left - whole.left) < 1,
        share: Math.round(100 * box.width / whole.width),
        covers: !getComputedStyle(cell).backgroundColor.startsWith("rgba"),
      };
    });
  });
}
"""


@pytest.fixture
async def newsroom(database: FreshDatabase, vhost: str, tmp_path: Path) -> AsyncIterator[NewsroomProcess]:
    async with run_newsroom(database, vhost, tmp_path, ASSETS) as running:
        await fill_newsroom(running.database)
        yield running


@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "light"), (PHONE, "dark"), (TABLET, "dark"), (DESKTOP, "light")], ids=str
)
async def test_the_first_column_stays_and_leaves_room_for_the_others(
    inspector: Inspector, newsroom: NewsroomProcess, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    context = await inspector.open_context(size, scheme=scheme)
    await add_cookie(context, newsroom.url, await create_session(newsroom.database, "Redaktion"))
    page = await inspector.open(context, newsroom.url)
    scrolled = []
    for path in PAGES:
        await page.goto(newsroom.url + path)
        rows = await page.evaluate(_SCROLL)
        await take_screenshot(page, SCREENSHOTS / f"newsroom-{size[0]}-{scheme}", f"table-{path.strip('/')}")
        assert [each for each in rows if not each["stays"] or not each["covers"] or each["share"] > 50] == []
        await inspector.inspect(page, path)
        scrolled += rows
    assert scrolled or size != PHONE
