"""Charts in a real browser: seen by everybody, with their numbers; and a certificate that becomes a PDF with tags."""

from pathlib import Path

import pytest
from playwright.async_api import FloatRect, expect

from tests.e2e.browser.newsroom.inspection import ASSETS, DESKTOP, PHONE, Inspector, Scheme, take_screenshot
from tests.e2e.browser.newsroom.visitors import open_as_colleague
from tests.harness.newsroom import NewsroomProcess

LEAST_WIDTH = 160
CHARTS = 1 + 4  # whole channel, and each topic
NO_ASSETS = Path("/nonexistent")
# WCAG 2.2, 1.4.11: what a graphic needs to be understood contrasts with what is beside it, 3 to 1.
LEAST_CONTRAST = 3.0
_CONTRASTS = """() => {
  const context = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const read = color => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = color; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let each = element; each; each = each.parentElement) {
      const color = read(getComputedStyle(each).backgroundColor);
      if (color[3] === 255) return color;
    }
    return read('Canvas');
  };
  return [...document.querySelectorAll('.nc-line, .nc-up, .nc-down, .nc-axis')].map(shape => {
    const style = getComputedStyle(shape);
    const color = read(style.fill === 'none' ? style.stroke : style.fill);
    const [low, high] = [luminance(color), luminance(ground(shape))].sort((a, b) => a - b);
    return [shape.getAttribute('class'), (high + 0.05) / (low + 0.05)];
  });
}"""


@pytest.mark.parametrize("filled", [ASSETS, NO_ASSETS], indirect=True, ids=["kern", "plain"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_shapes_are_seen_on_their_ground(inspector: Inspector, filled: NewsroomProcess, scheme: Scheme) -> None:
    page = await open_as_colleague(inspector, filled, scheme=scheme, path="/auswertung")
    contrasts = await page.evaluate(_CONTRASTS)
    assert {name for name, _ in contrasts} == {"nc-line", "nc-up", "nc-down", "nc-axis"}
    assert [each for each in contrasts if each[1] < LEAST_CONTRAST] == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=lambda size: f"{size[0]}")
async def test_every_chart_has_its_numbers_without_script(
    inspector: Inspector, filled: NewsroomProcess, size: tuple[int, int]
) -> None:
    page = await open_as_colleague(inspector, filled, size, script=False, path="/auswertung?tage=90")
    if size == DESKTOP:
        frame: FloatRect = {"x": 0, "y": 0, "width": DESKTOP[0], "height": 1_300}
        await take_screenshot(page, "newsroom-statistics", clip=frame)
    charts = page.get_by_role("img")
    summaries = page.locator("summary")
    assert await charts.count() == await summaries.count() == CHARTS
    for number in range(CHARTS):
        box = await charts.nth(number).bounding_box()
        assert box is not None
        assert box["width"] >= LEAST_WIDTH
        await summaries.nth(number).press("Enter")
        table = page.locator("details").nth(number).get_by_role("table")
        await expect(table).to_be_visible()
        assert await table.get_by_role("row").count() > 2


async def test_the_certificate_becomes_a_pdf_with_tags(inspector: Inspector, filled: NewsroomProcess) -> None:
    page = await open_as_colleague(inspector, filled, path="/aussendungen")
    await page.locator("main li a[href^='/aussendungen/']").first.click()
    await page.get_by_role("link", name="Nachweis ansehen und drucken").click()
    button = page.get_by_role("button", name="Drucken oder als PDF speichern")
    await expect(button).to_be_visible()
    await page.evaluate("window.print = () => { document.title = 'printed'; }")
    await button.press("Enter")
    await expect(page).to_have_title("printed")
    document = await page.pdf(tagged=True, prefer_css_page_size=True)
    assert document.startswith(b"%PDF")
    assert b"/StructTreeRoot" in document
    assert b"/Count 1" in document, "one page"
    await page.emulate_media(media="print")
    await expect(page.locator("header")).to_be_hidden()
    await expect(button).to_be_hidden()
    await expect(page.get_by_role("table", name="Stand der Zustellung")).to_be_visible()
