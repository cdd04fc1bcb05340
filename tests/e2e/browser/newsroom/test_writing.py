"""Writing in a browser: nothing that was typed is lost, and half a date is none."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import Route, expect

from tests.e2e.browser.newsroom.inspection import Inspector
from tests.e2e.browser.newsroom.visitors import begin_writing, open_as_colleague
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing import format_local


async def test_half_a_date_is_an_error_and_not_no_date(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    page = await begin_writing(inspector, newsroom)
    begins = page.get_by_label("Senden ab")
    await begins.press_sequentially("1205")
    await page.get_by_label("Überschrift").fill("K 9 gesperrt")
    await page.get_by_label("Text", exact=True).focus()
    await expect(page.get_by_text("Noch nicht gespeichert")).to_be_visible()
    await page.get_by_role("button", name="Weiter zur Prüfung").press("Enter")
    await expect(begins).to_be_focused()
    await expect(begins).to_have_attribute("aria-invalid", "true")
    await expect(begins).to_have_accessible_description(re.compile("Bitte geben Sie Datum und Uhrzeit an"))
    await inspector.inspect(page)
    await begins.fill(format_local(datetime.now(UTC) + timedelta(hours=1)))
    await expect(begins).not_to_have_attribute("aria-invalid", "true")
    await page.get_by_role("button", name="Weiter zur Prüfung").press("Enter")
    await expect(page.get_by_role("alert")).to_be_focused()
    await expect(begins).not_to_have_value("")


async def test_what_is_written_before_the_script_comes_is_seen_and_saved(
    inspector: Inspector, newsroom: NewsroomProcess
) -> None:
    page = await open_as_colleague(inspector, newsroom)
    written = asyncio.Event()

    async def come_late(route: Route) -> None:
        await written.wait()
        await route.continue_()

    await page.route("**/writing*.js*", come_late)
    await page.get_by_role("button", name="Neue Meldung schreiben").press("Enter")
    await page.get_by_label("Überschrift").fill("K 9 gesperrt")
    await page.get_by_label("Text", exact=True).focus()
    written.set()
    await expect(page.get_by_role("complementary", name="Vorschau")).to_contain_text("K 9 gesperrt")
    await expect(page.get_by_text("Gespeichert um")).to_be_visible()


async def test_what_is_being_written_is_saved_before_the_field_is_left(
    inspector: Inspector, newsroom: NewsroomProcess
) -> None:
    page = await begin_writing(inspector, newsroom)
    await page.get_by_label("Text", exact=True).press_sequentially("Die Brücke ist gesperrt.")
    await expect(page.get_by_text("Gespeichert um")).to_be_visible()
    await expect(page.get_by_label("Text", exact=True)).to_be_focused()
    await page.reload()
    await expect(page.get_by_label("Text", exact=True)).to_have_value("Die Brücke ist gesperrt.")


async def test_without_a_connection_nothing_that_was_written_is_lost(
    inspector: Inspector, newsroom: NewsroomProcess
) -> None:
    page = await begin_writing(inspector, newsroom)
    await page.context.set_offline(True)
    await page.get_by_label("Text", exact=True).fill("Die Brücke ist gesperrt.")
    await page.get_by_role("button", name="Speichern").press("Enter")
    await expect(page.get_by_text("Noch nicht gespeichert: keine Verbindung.")).to_be_visible()
    await expect(page.get_by_label("Text", exact=True)).to_have_value("Die Brücke ist gesperrt.")
    await page.context.set_offline(False)
    await expect(page.get_by_text("Gespeichert um")).to_be_visible()
    await page.get_by_role("button", name="Speichern").press("Enter")
    await expect(page.get_by_text("Der Entwurf ist gespeichert.")).to_be_visible()
    await expect(page.get_by_label("Text", exact=True)).to_have_value("Die Brücke ist gesperrt.")


async def test_a_newsroom_that_is_away_is_asked_again(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    page = await begin_writing(inspector, newsroom)

    async def respond_unavailable(route: Route) -> None:
        await route.fulfill(status=503, content_type="text/html", body="away")

    await page.route(page.url, respond_unavailable)
    await page.get_by_label("Text", exact=True).fill("Die Brücke ist gesperrt.")
    await expect(page.get_by_text("Noch nicht gespeichert: keine Verbindung.")).to_be_visible()
    await page.unroute(page.url)
    await expect(page.get_by_text("Gespeichert um")).to_be_visible()


async def test_what_was_saved_by_itself_can_be_discarded(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    """Its button names the version that came of it, and waits for what is being typed."""
    page = await begin_writing(inspector, newsroom)
    await page.get_by_label("Text", exact=True).fill("Die Brücke ist gesperrt.")
    await page.get_by_role("button", name="Entwurf verwerfen").press("Enter")
    await expect(page.get_by_text("Der Entwurf ist verworfen.")).to_be_visible()


async def test_without_script_the_browser_refuses_half_a_date(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    """But nothing that is missing: it may be written later."""
    page = await begin_writing(inspector, newsroom, script=False)
    begins = page.get_by_label("Senden ab")
    await begins.press_sequentially("1205")
    await page.get_by_role("button", name="Speichern").press("Enter")
    await expect(begins).to_be_focused()
    await begins.fill("")
    await page.get_by_role("button", name="Speichern").press("Enter")
    await expect(page.get_by_text("Der Entwurf ist gespeichert.")).to_be_visible()


PRESS_TWICE = """button => {
    button.click();
    setTimeout(() => { button.click(); console.log("pressed again"); }, 300);
}"""


async def test_a_button_that_is_pressed_twice_does_it_once(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    page = await open_as_colleague(inspector, newsroom)
    asked: list[str] = []
    pressed_again = asyncio.Event()
    page.on("console", lambda said: pressed_again.set() if said.text == "pressed again" else None)

    async def delay(route: Route) -> None:
        asked.append(route.request.method)
        await pressed_again.wait()
        await route.continue_()

    await page.route("**/entwuerfe", delay)
    await page.get_by_role("button", name="Neue Meldung schreiben").evaluate(PRESS_TWICE)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Meldung schreiben")
    assert asked == ["POST"]


async def test_what_is_pasted_is_not_cut_off_unseen(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    """The address would still be valid, and lead everybody to a page that does not exist."""
    page = await begin_writing(inspector, newsroom)
    pasted = {
        "Überschrift": f"{'Vollsperrung der L 149 ' * 6}bis Freitag",
        "Text": f"{'Die Umleitung ist ausgeschildert. ' * 25}Der Bus fährt nicht.",
        "Link": f"https://www.landkreis-osterholz.de/{'strassen-' * 20}umleitung.html",
    }
    for name, words in pasted.items():
        await page.get_by_label(name).first.focus()
        await page.keyboard.insert_text(words)
    await expect(page.get_by_text("Gespeichert um")).to_be_visible()
    await page.get_by_role("button", name="Weiter zur Prüfung").press("Enter")
    await expect(page.get_by_role("alert")).to_be_focused()
    for name, words in pasted.items():
        await expect(page.get_by_label(name).first).to_have_value(words)
    for name in ("headline", "text", "link"):
        await expect(page.locator(f"#{name}-error")).to_contain_text("Zeichen")
