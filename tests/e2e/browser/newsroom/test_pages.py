"""Every page of the newsroom that can be reached, for everybody: axe-core, narrow windows, dark mode, keyboard."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Route, expect

from tests.e2e.browser.newsroom.inspection import (
    DESKTOP,
    ENLARGED,
    PHONE,
    TABLET,
    Inspector,
    Scheme,
    take_screenshot,
    walk,
    walk_by_keyboard,
)
from tests.e2e.browser.newsroom.rows import STATES, fill_newsroom, find_draft
from tests.e2e.browser.newsroom.visitors import open_as_colleague
from tests.harness.ledger_rows import add_sent_broadcast, set_up_number
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing import add_broadcast, format_local

SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=lambda size: f"{size[0]}")


MENU = {"/profil", "/konten", "/einladung", "/protokoll", "/entwuerfe", "/aussendungen", "/auswertung", "/betrieb"}


async def inspect_every_page(
    inspector: Inspector, newsroom: NewsroomProcess, size: tuple[int, int], scheme: Scheme, folder: str
) -> set[str]:
    """Inspect all pages that can be reached; return their shapes."""
    page = await open_as_colleague(inspector, newsroom, size, scheme)
    shapes = set()
    async for shape in walk(page, newsroom.url):
        name = shape.strip("/").replace("/", "-").replace("?", "-") or "start"
        await take_screenshot(page, f"newsroom-{folder}/{name}")
        await inspector.inspect(page, shape)
        shapes.add(shape)
    return shapes


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        pytest.param(DESKTOP, "light", id="1280"),
        pytest.param(TABLET, "dark", id="768-dark"),
        pytest.param(ENLARGED, "light", id="640"),
        pytest.param(PHONE, "dark", id="320-dark"),
    ],
)
async def test_every_page_is_for_everybody(
    inspector: Inspector,
    filled: NewsroomProcess,
    size: tuple[int, int],
    scheme: Scheme,
    request: pytest.FixtureRequest,
) -> None:
    shapes = await inspect_every_page(inspector, filled, size, scheme, request.node.callspec.id)
    assert shapes >= MENU
    assert {"/aussendungen/…/anhalten", "/aussendungen/…/nachsenden", "/betrieb/versand-fortsetzen"} <= shapes


@SIZES
async def test_every_page_without_anything_in_it_is_for_everybody(
    inspector: Inspector, fresh_newsroom: NewsroomProcess, size: tuple[int, int]
) -> None:
    assert await inspect_every_page(inspector, fresh_newsroom, size, "light", f"{size[0]}-empty") >= MENU


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (ENLARGED, "light"), (PHONE, "dark")], ids=str)
async def test_a_draft_in_each_state_is_for_everybody(
    inspector: Inspector, filled: NewsroomProcess, size: tuple[int, int], scheme: Scheme
) -> None:
    page = await open_as_colleague(inspector, filled, size, scheme)
    for state in STATES:
        path = await find_draft(filled.owner, state)
        for suffix in ("", "?bearbeiten=1", "/pruefung"):
            await page.goto(filled.url + path + suffix)
            name = f"{state}{suffix.strip('/').replace('?bearbeiten=1', '-edit').replace('pruefung', '-check')}"
            await take_screenshot(page, f"newsroom-{size[0]}-{scheme}/{name}")
            await inspector.inspect(page, name)


@pytest.mark.parametrize("path", ["/anmelden", "/nothing"])
@SIZES
async def test_pages_before_the_login(
    inspector: Inspector, newsroom: NewsroomProcess, size: tuple[int, int], path: str
) -> None:
    page = await inspector.open(await inspector.open_context(size), newsroom.url + path)
    await take_screenshot(page, f"newsroom-{size[0]}/{path.strip('/')}")
    await inspector.inspect(page)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=lambda size: f"{size[0]}")
async def test_the_keyboard_reaches_everything(
    inspector: Inspector, filled: NewsroomProcess, size: tuple[int, int]
) -> None:
    page = await open_as_colleague(inspector, filled, size)
    async for shape in walk(page, filled.url):
        controls = page.locator(
            "a[href], button:enabled, input:not([type=hidden], [tabindex='-1']), select, textarea, summary"
        )
        reached = await walk_by_keyboard(page)
        assert len(reached) >= await controls.filter(visible=True).count(), f"{shape}: {reached}"


async def test_a_refused_form_says_why_and_has_the_focus(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    page = await open_as_colleague(inspector, newsroom)
    await page.goto(f"{newsroom.url}/einladung")
    await page.get_by_label("Name", exact=True).fill("Bernd Beispiel")
    await page.get_by_label("Anmeldename").fill("Nicht erlaubt!")
    await page.get_by_role("button", name="Einladen").press("Enter")
    await expect(page.get_by_role("alert")).to_be_focused()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Bernd Beispiel")
    await inspector.inspect(page)


async def test_an_empty_notice_says_what_is_missing(inspector: Inspector, newsroom: NewsroomProcess) -> None:
    page = await open_as_colleague(inspector, newsroom)
    await page.get_by_role("button", name="Neue Meldung schreiben").press("Enter")
    await page.get_by_role("button", name="Weiter zur Prüfung").press("Enter")
    await expect(page.get_by_role("alert")).to_be_focused()
    await expect(page.get_by_label("Überschrift")).to_have_attribute("aria-invalid", "true")
    await inspector.inspect(page)


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
async def test_what_was_done_is_not_said_again_when_it_is_no_longer_so(
    inspector: Inspector, newsroom: NewsroomProcess, script: bool
) -> None:
    """A page of sending is loaded again by whoever watches it, and without a script by itself."""
    await set_up_number(newsroom.owner)
    broadcast = await add_sent_broadcast(newsroom.owner, {"waiting": 9, "delivered": 1})
    page = await open_as_colleague(inspector, newsroom, script=script)
    await page.goto(f"{newsroom.url}/aussendungen/{broadcast}/anhalten")
    await page.get_by_label("Warum?").fill("Übung")
    await page.get_by_role("button", name="Anhalten").press("Enter")
    told = page.get_by_text("Die Aussendung ist angehalten.")
    await expect(told).to_be_visible()
    await newsroom.owner.execute("select dispatcher.resume_broadcast($1)", broadcast)
    if script:
        await page.reload()
    await expect(page.get_by_role("link", name="Aussendung anhalten")).to_be_visible()
    await expect(told).to_be_hidden()


@SIZES
async def test_two_versions_are_for_everybody(
    inspector: Inspector, fresh_newsroom: NewsroomProcess, size: tuple[int, int]
) -> None:
    await fill_newsroom(fresh_newsroom.owner)
    page = await open_as_colleague(inspector, fresh_newsroom, size)
    await page.goto(fresh_newsroom.url + await find_draft(fresh_newsroom.owner, "draft"))
    await page.evaluate("form.elements.version.value = 9")
    await page.get_by_label("Link").evaluate("link => { link.value = 'https://www.landkreis-osterholz.de/neu' }")
    await page.get_by_role("button", name="Speichern").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Zwei Stände")
    await expect(page.get_by_text("Sie unterscheiden sich in: Link")).to_be_visible()
    await take_screenshot(page, f"newsroom-{size[0]}/conflict")
    await inspector.inspect(page)
    await page.get_by_role("button", name="Meinen Stand speichern").press("Enter")
    await expect(page.get_by_text("Der Entwurf ist gespeichert.")).to_be_visible()


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["1280", "320-dark"])
async def test_the_code_of_a_trial_comes_by_keyboard_and_is_for_everybody(
    inspector: Inspector, newsroom: NewsroomProcess, size: tuple[int, int], scheme: Scheme
) -> None:
    page = await open_as_colleague(inspector, newsroom, size, scheme)
    await page.get_by_role("button", name="Neue Meldung schreiben").press("Enter")
    await page.get_by_label("Thema").select_option("stellen")
    await page.get_by_label("Überschrift").fill("Bauingenieurin oder Bauingenieur")
    await page.get_by_label("Text", exact=True).fill("Bewerbungen sind bis Freitag möglich.")
    await page.get_by_label("Gültig bis").fill(format_local(datetime.now(UTC) + timedelta(days=1)))
    await page.get_by_role("button", name="Weiter zur Prüfung").press("Enter")
    await page.get_by_role("button", name="Auf dem eigenen Telefon testen").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Testnachricht")
    await expect(page.get_by_role("status")).to_be_focused()
    await take_screenshot(page, f"newsroom-{size[0]}/trial")
    await inspector.inspect(page)
    assert {"WhatsApp mit diesen Worten", "Zurück zur Prüfung"} <= set(await walk_by_keyboard(page))


async def test_without_script_everything_but_live_updates_works(
    inspector: Inspector, newsroom: NewsroomProcess
) -> None:
    page = await open_as_colleague(inspector, newsroom, path="/einladung", script=False)
    await page.get_by_label("Name", exact=True).fill("Bernd Beispiel")
    await page.get_by_label("Anmeldename").fill("bernd")
    await page.get_by_label("Freigabe").check()
    await page.get_by_role("button", name="Einladen").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Eingeladen")


async def test_what_is_told_while_somebody_reads_by_keyboard_is_shown_afterwards(
    inspector: Inspector, newsroom: NewsroomProcess
) -> None:
    broadcast = await add_broadcast(newsroom.owner)
    page = await open_as_colleague(inspector, newsroom)
    await page.goto(f"{newsroom.url}/aussendungen/{broadcast}")
    table = page.get_by_role("region", name="Stand der Zustellung")
    await table.focus()
    await page.evaluate(
        "() => stream.addEventListener('message', e => { if (e.data.includes('10 von 10')) document.title = 'told' })"
    )
    await newsroom.owner.execute(
        "update newsroom.broadcast set states = $2, finished_at = now() where id = $1", broadcast, '{"delivered": 10}'
    )
    await expect(page).to_have_title("told")
    await expect(table).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await expect(page.get_by_text("10 von 10 erledigt")).to_be_visible()


@pytest.mark.parametrize("suffix", ["", "/{}"], ids=["list", "broadcast"])
async def test_a_page_that_is_told_nothing_any_more_says_so(
    inspector: Inspector, newsroom: NewsroomProcess, suffix: str
) -> None:
    broadcast = await add_broadcast(newsroom.owner)
    page = await open_as_colleague(inspector, newsroom)
    await page.goto(f"{newsroom.url}/aussendungen{suffix.format(broadcast)}")
    again = page.get_by_role("link", name="Seite neu laden")
    await expect(again).to_be_hidden()
    await newsroom.owner.execute("update newsroom.session set revoked_at = now()")
    await expect(page.get_by_role("status").filter(has=again)).to_contain_text("Die Zahlen stehen still")
    await inspector.inspect(page)
    # The login is no stream, which the browser says, too.
    assert {"EventSource" in complaint for complaint in inspector.complaints} <= {True}
    inspector.complaints.clear()
    await again.press("Enter")
    await expect(page.get_by_role("button", name="Anmelden")).to_be_visible()


@pytest.mark.parametrize("answer", ["503", "refused"])
async def test_a_page_that_was_told_nothing_for_a_while_counts_again(
    inspector: Inspector, newsroom: NewsroomProcess, answer: str
) -> None:
    async def respond(route: Route) -> None:
        await (route.fulfill(status=503) if answer == "503" else route.abort("connectionrefused"))

    broadcast = await add_broadcast(newsroom.owner)
    page = await open_as_colleague(inspector, newsroom)
    await page.route("**/strom", respond)
    await page.goto(f"{newsroom.url}/aussendungen/{broadcast}")
    again = page.get_by_role("link", name="Seite neu laden")
    await expect(again).to_be_visible()
    await page.unroute("**/strom")
    await newsroom.owner.execute("update newsroom.broadcast set audience = 12 where id = $1", broadcast)
    await expect(page.get_by_text("6 von 12 erledigt")).to_be_visible()
    await expect(again).to_be_hidden()


async def test_the_page_of_a_handover_is_told_of_it_and_leads_to_the_broadcast(
    inspector: Inspector, fresh_newsroom: NewsroomProcess
) -> None:
    owner = fresh_newsroom.owner
    await fill_newsroom(owner)
    page, broadcast = await open_as_colleague(inspector, fresh_newsroom), await add_broadcast(owner)
    await page.goto(fresh_newsroom.url + await find_draft(owner, "published"))
    await expect(page.get_by_text("Der Dienst für Meldungen antwortet noch nicht.")).to_be_visible()
    await owner.execute(
        "update newsroom.publication set state = 'accepted', answered_at = now(), confirmed_at = now(), broadcast = $1"
        " where draft = md5('published')::uuid",
        broadcast,
    )
    await expect(page).to_have_url(f"{fresh_newsroom.url}/aussendungen/{broadcast}")
