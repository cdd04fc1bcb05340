"""The editor always shows whether the text is saved."""

import asyncio
import re

import pytest
from playwright.async_api import Dialog, Page, Route, expect

from tests.e2e.browser.newsroom.inspection import (
    DESKTOP,
    PHONE,
    Inspector,
    Scheme,
    take_screenshot,
)
from tests.e2e.browser.newsroom.visitors import add_cookie, begin_writing, create_session, renew_session
from tests.harness.newsroom import NewsroomProcess

ADVICE = "Melden Sie sich in einem neuen Fenster an"
_COVERED = """
() => {
  const focused = document.activeElement.getBoundingClientRect();
  const state = document.querySelector(".nw-saved").getBoundingClientRect();
  return focused.bottom > state.top && focused.top < state.bottom;
}
"""


def read_draft(page: Page) -> str:
    """Return the id of the draft on the page."""
    return page.url.rpartition("/")[2]


def refuse_to_leave(page: Page) -> list[str]:
    """Stay on the page whenever the browser asks; return what it has asked so far."""
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    return asked


async def test_what_is_not_saved_is_never_called_saved(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    page = await begin_writing(inspector, newsroom)
    text, state = page.get_by_label("Text", exact=True), page.locator(".nw-saved")
    answered, *later = gates = [asyncio.Event(), asyncio.Event()]

    async def answer_late(route: Route) -> None:
        await next((gate for gate in gates if not gate.is_set()), answered).wait()
        await route.continue_()

    await text.fill("Die Brücke ist gesperrt.")
    await expect(state).to_have_text("Noch nicht gespeichert.", use_inner_text=True)
    await expect(state).to_contain_text("Gespeichert um")
    await page.route(page.url, answer_late)
    await text.press_sequentially(" Bis Freitag.")
    await expect(state).to_have_text("Noch nicht gespeichert.", use_inner_text=True)
    await expect(state).to_have_text("Wird gespeichert …", use_inner_text=True)
    await text.press_sequentially(" Vielleicht.")
    await expect(state).to_have_text("Noch nicht gespeichert.", use_inner_text=True)
    async with page.expect_response(page.url):
        answered.set()
    await expect(page.locator("form[data-autosave] input[name=version]")).to_have_value("3")
    await expect(state).to_have_text(
        re.compile(r"^(Noch nicht gespeichert\.|Wird gespeichert …)$"), use_inner_text=True
    )
    later[0].set()
    await expect(state).to_contain_text("Gespeichert um")


async def test_after_saving_the_page_stops_saying_so_with_the_first_letter(
    inspector: Inspector, newsroom: NewsroomProcess
) -> None:
    page = await begin_writing(inspector, newsroom)
    await page.get_by_label("Text", exact=True).fill("Die Brücke ist gesperrt.")
    await page.get_by_role("button", name="Speichern").press("Enter")
    told = page.get_by_text("Der Entwurf ist gespeichert.")
    await expect(told).to_be_visible()
    await page.get_by_label("Text", exact=True).press_sequentially(" B")
    await expect(told).to_be_hidden()


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["1280", "320-dark"])
async def test_the_state_is_in_view_and_covers_nothing_that_has_the_focus(
    inspector: Inspector, newsroom: NewsroomProcess, size: tuple[int, int], scheme: Scheme
) -> None:
    page = await begin_writing(inspector, newsroom, size, scheme)
    await newsroom.owner.execute("update newsroom.session set revoked_at = now()")
    state = page.locator(".nw-saved")
    await page.get_by_label("Überschrift").press_sequentially("K 9 gesperrt")
    await expect(state).to_contain_text("Noch nicht gespeichert: Sie sind abgemeldet.")
    await expect(state).to_be_in_viewport(ratio=1)
    await take_screenshot(page, f"newsroom-{size[0]}/logged-out")
    await inspector.inspect(page)
    for key in ("Tab", "Shift+Tab"):
        for _ in range(25):
            await page.keyboard.press(key)
            if await page.evaluate("form.contains(document.activeElement) && !document.activeElement.closest('p')"):
                assert not await page.evaluate(_COVERED), await page.evaluate("document.activeElement.id")


async def test_whoever_logs_in_again_in_another_window_goes_on(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    page = await begin_writing(inspector, newsroom)
    await newsroom.owner.execute("update newsroom.session set revoked_at = now()")
    await page.get_by_label("Text", exact=True).fill("Die Brücke ist gesperrt.")
    state = page.locator(".nw-saved")
    await expect(state.get_by_role("link", name=ADVICE)).to_be_visible()
    async with page.context.expect_page() as opened:
        await state.get_by_role("link", name=ADVICE).press("Enter")
    await expect((await opened.value).get_by_role("heading", level=1)).to_have_text("Anmelden")
    await add_cookie(page.context, newsroom.url, await renew_session(newsroom))
    await (await opened.value).close()
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await expect(state).to_contain_text("Gespeichert um")
    await expect(state.get_by_role("link")).to_have_count(0)
    await page.get_by_role("button", name="Speichern").press("Enter")
    await expect(page.get_by_text("Der Entwurf ist gespeichert.")).to_be_visible()
    await expect(page.get_by_label("Text", exact=True)).to_have_value("Die Brücke ist gesperrt.")


@pytest.mark.parametrize("button", ["Speichern", "Weiter zur Prüfung"])
@pytest.mark.parametrize("is_saved", [True, False], ids=["saved", "unsaved"])
async def test_whoever_presses_a_button_while_logged_out_stays_where_everything_is(
    inspector: Inspector, newsroom: NewsroomProcess, button: str, is_saved: bool
) -> None:
    page = await begin_writing(inspector, newsroom)
    text, state = page.get_by_label("Text", exact=True), page.locator(".nw-saved")
    await page.get_by_label("Thema").select_option("stellen")
    await text.fill("Die Brücke ist gesperrt.")
    if is_saved:
        await page.get_by_label("Überschrift").focus()
        await expect(state).to_contain_text("Gespeichert um")
    await newsroom.owner.execute("update newsroom.session set revoked_at = now()")
    await page.get_by_role("button", name=button).press("Enter")
    await expect(state).to_contain_text("Noch nicht gespeichert: Sie sind abgemeldet.")
    async with page.context.expect_page() as opened:
        await state.get_by_role("link", name=ADVICE).press("Enter")
    window = await opened.value
    await expect(window.get_by_role("heading", level=1)).to_have_text("Anmelden")
    await add_cookie(page.context, newsroom.url, await renew_session(newsroom))
    await window.reload()
    await expect(window.get_by_role("heading", level=1)).to_have_text("Sie sind angemeldet.")
    await expect(window.get_by_text("Schließen Sie dieses Fenster und schreiben Sie weiter.")).to_be_visible()
    await window.close()
    await expect(page.get_by_label("Thema")).to_have_value("stellen")
    await expect(text).to_have_value("Die Brücke ist gesperrt.")
    await page.get_by_role("button", name=button).press("Enter")
    told = "Der Entwurf ist gespeichert." if button == "Speichern" else "Bitte prüfen Sie die markierten Felder."
    await expect(page.get_by_text(told)).to_be_visible()
    await expect(text).to_have_value("Die Brücke ist gesperrt.")


@pytest.mark.parametrize(
    ("end", "button", "told"),
    [
        ("session set revoked_at = now()", "Entwurf verwerfen", "Noch nicht gespeichert: Sie sind abgemeldet."),
        ("account set roles = '{lead}'", "Speichern", "Sie dürfen hier nicht mehr schreiben."),
    ],
    ids=["logged-out", "no-right"],
)
async def test_no_button_takes_away_what_somebody_may_not_save_any_more(
    inspector: Inspector, newsroom: NewsroomProcess, end: str, button: str, told: str
) -> None:
    page = await begin_writing(inspector, newsroom)
    await newsroom.owner.execute(f"update newsroom.{end}")
    await page.get_by_label("Text", exact=True).fill("Die Brücke ist gesperrt.")
    await page.get_by_role("button", name=button).press("Enter")
    await expect(page.locator(".nw-saved")).to_contain_text(told)
    await expect(page.get_by_label("Text", exact=True)).to_have_value("Die Brücke ist gesperrt.")


@pytest.mark.parametrize("button", ["Als neue Meldung kopieren", "Entwurf verwerfen", "Abmelden"])
async def test_where_saving_is_refused_no_other_button_leaves_without_a_question(
    inspector: Inspector, newsroom: NewsroomProcess, button: str
) -> None:
    page = await begin_writing(inspector, newsroom)
    text = page.get_by_label("Text", exact=True)
    asked = refuse_to_leave(page)
    await newsroom.owner.execute("update newsroom.draft set state = 'discarded'")
    await text.fill("Die Brücke ist gesperrt.")
    async with page.expect_event("dialog"):
        await page.get_by_role("button", name=button).press("Enter")
    await expect(page.locator(".nw-saved")).to_contain_text("Kopieren Sie Ihren Text.")
    await expect(text).to_have_value("Die Brücke ist gesperrt.")
    assert asked == ["beforeunload"]


_ANOTHER_VERSION = """
    with newer as (
        insert into newsroom.draft_version (draft, version, content, author)
        select draft, 2, '{"text": "Die Brücke ist frei."}', author from newsroom.draft_version where draft = $1
        returning draft)
    update newsroom.draft set version = 2 where id = $1
"""


async def test_whoever_leaves_what_only_the_page_with_both_versions_has_is_asked_first(
    inspector: Inspector, newsroom: NewsroomProcess
) -> None:
    page = await begin_writing(inspector, newsroom)
    text = page.get_by_label("Text", exact=True)
    asked = refuse_to_leave(page)
    await newsroom.owner.execute(_ANOTHER_VERSION, read_draft(page))
    await text.fill("Die Brücke ist gesperrt.")
    await page.get_by_role("button", name="Speichern").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Zwei Stände")
    async with page.expect_event("dialog"):
        await page.get_by_role("link", name="Übersicht").press("Enter")
    await expect(text).to_have_value("Die Brücke ist gesperrt.")
    await page.get_by_role("button", name="Meinen Stand speichern").press("Enter")
    await expect(page.get_by_text("Der Entwurf ist gespeichert.")).to_be_visible()
    assert asked == ["beforeunload"]


async def test_whoever_leaves_what_was_refused_is_asked_until_it_is_saved(
    inspector: Inspector, newsroom: NewsroomProcess
) -> None:
    page = await begin_writing(inspector, newsroom)
    text = page.get_by_label("Text", exact=True)
    refuse_to_leave(page)
    await text.fill("Zu lang. " * 300)
    await page.get_by_role("button", name="Speichern").press("Enter")
    await expect(page.get_by_text("Noch ist nichts gespeichert.")).to_be_visible()
    async with page.expect_event("dialog"):
        await page.get_by_role("link", name="Übersicht").press("Enter")
    await text.fill("Kurz.")
    await expect(page.get_by_text("Gespeichert um")).to_be_visible()
    await page.get_by_role("link", name="Übersicht").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Guten Tag")


async def test_what_somebody_has_written_is_not_saved_for_another_who_logs_in(
    inspector: Inspector, newsroom: NewsroomProcess
) -> None:
    page = await begin_writing(inspector, newsroom)
    await page.get_by_label("Text", exact=True).fill("Die Brücke ist gesperrt.")
    state = page.locator(".nw-saved")
    await expect(state).to_contain_text("Gespeichert um")
    await add_cookie(page.context, newsroom.url, await create_session(newsroom, "Jemand anderes"))
    await page.get_by_label("Text", exact=True).press_sequentially(" Bis Freitag.")
    await expect(state).to_contain_text("In diesem Browser ist jetzt jemand anderes angemeldet.")
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await page.get_by_role("button", name="Abmelden").press("Enter")
    await expect(page.get_by_label("Text", exact=True)).to_have_value("Die Brücke ist gesperrt. Bis Freitag.")
    await page.get_by_role("button", name="Speichern").press("Enter")
    await expect(page.get_by_text("Kopieren Sie Ihren Text")).to_be_visible()
    assert await newsroom.owner.fetchval("select version from newsroom.draft where id = $1", read_draft(page)) == 2
