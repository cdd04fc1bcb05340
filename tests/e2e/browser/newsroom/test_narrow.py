"""Narrow windows: no word that fits is torn apart, and the row headings of a scrolled table stay visible."""

import pytest

from tests.e2e.browser.newsroom.inspection import (
    DESKTOP,
    PHONE,
    TABLET,
    Inspector,
    Scheme,
    list_torn_words,
    take_screenshot,
    walk,
)
from tests.e2e.browser.newsroom.rows import STATES, fill_newsroom, find_draft
from tests.e2e.browser.newsroom.visitors import open_as_colleague
from tests.harness.newsroom import NewsroomProcess

WIDTHS = range(320, 480, 10)
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


@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "light"), (PHONE, "dark"), (TABLET, "dark"), (DESKTOP, "light")], ids=str
)
async def test_the_first_column_stays_and_leaves_room_for_the_others(
    inspector: Inspector, filled: NewsroomProcess, size: tuple[int, int], scheme: Scheme
) -> None:
    page = await open_as_colleague(inspector, filled, size, scheme)
    scrolled = []
    for path in PAGES:
        await page.goto(filled.url + path)
        rows = await page.evaluate(_SCROLL)
        await take_screenshot(page, f"newsroom-{size[0]}-{scheme}/table-{path.strip('/')}")
        assert [each for each in rows if not each["stays"] or not each["covers"] or each["share"] > 50] == []
        await inspector.inspect(page, path)
        scrolled += rows
    assert scrolled or size != PHONE


async def test_words_and_codes_stay_whole(inspector: Inspector, filled: NewsroomProcess) -> None:
    page = await open_as_colleague(inspector, filled, PHONE)
    torn = {shape: words async for shape in walk(page, filled.url) if (words := await list_torn_words(page))}
    for state in STATES:
        path = await find_draft(filled.owner, state)
        for suffix in ("", "?bearbeiten=1", "/pruefung"):
            await page.goto(filled.url + path + suffix)
            if words := await list_torn_words(page):
                torn[f"{state} {suffix}"] = words
    for width in WIDTHS:  # wherever the line ends
        await page.set_viewport_size({"width": width, "height": PHONE[1]})
        if words := await list_torn_words(page):
            torn[f"{width}"] = words
    assert torn == {}


@pytest.mark.parametrize(
    "statement",
    [
        "update newsroom.account set name = $1",
        "update newsroom.broadcast set headline = $1",
        "update newsroom.feedback set text = $1 where kind = 'text'",
        "update dispatcher.template_pause set template = $1",
    ],
)
async def test_a_word_that_is_too_long_for_a_line_widens_no_page(
    inspector: Inspector, fresh_newsroom: NewsroomProcess, statement: str
) -> None:
    owner = fresh_newsroom.owner
    await fill_newsroom(owner)
    page = await open_as_colleague(inspector, fresh_newsroom, PHONE)
    await owner.execute(statement, "Straßensperrung" * 5)
    for path in ("/", "/rueckmeldungen", "/betrieb", f"{await find_draft(owner, 'returned')}/pruefung"):
        await page.goto(fresh_newsroom.url + path)
        await inspector.inspect(page, path)
