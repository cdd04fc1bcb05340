"""The public archive in a real browser: for everybody, on every screen, with and without KERN."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import expect

from services.newsroom.domain.archive import ArchiveEntry
from tests.databases import FreshDatabase
from tests.e2e.browser.newsroom.inspection import (
    ASSETS,
    DESKTOP,
    ENLARGED,
    PHONE,
    TABLET,
    Inspector,
    Scheme,
    list_torn_words,
    press_to,
    take_screenshot,
    walk_by_keyboard,
)
from tests.factories.archive import NOW, build_entry
from tests.harness.archive import (
    ArchiveHarness,
    insert_entries,
    run_archive,
)
from tests.harness.writing import add_broadcast

NO_ASSETS = Path("/nonexistent")
PAGES = {
    "list": "/",
    "empty": "/?thema=stellen&gemeinde=Lilienthal",
    "entry": "/meldung/K7M2-Q9TX",
    "withdrawn": "/meldung/0000-0003",
    "replaced": "/meldung/0000-0001",
    "expired": "/meldung/0000-0004",
    "check": "/pruefen",
    "genuine": "/pruefen?code=K7M2-Q9TX",
    "unknown": "/pruefen?code=0000-0000",
    "signup": "/anmelden",
    "levels": "/tempo",
    "poster": "/plakat",
    "missing": "/nothing",
}
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenverordnungsänderungsbekanntmachung"


def build_entries() -> list[ArchiveEntry]:
    events = [
        build_entry(
            code=f"100000{number:02}",
            notice=f"event-{number}",
            topic="veranstaltungen",
            headline=f"Konzert {number} im Kreishaus",
            text="Am Samstag, 5. Dezember, 19 bis 21 Uhr. Der Eintritt ist frei. " * 4,
            published_at=NOW - timedelta(days=1 + number // 4, hours=number),
            expires_at=NOW + timedelta(days=8),
        )
        for number in range(25)
    ]
    return [
        build_entry(
            municipalities=("Worpswede", "Lilienthal"),
            link="https://www.landkreis-osterholz.de/k8",
            picture="https://www.landkreis-osterholz.de/k8.jpg",
            urgent=True,
        ),
        build_entry(code="00000001", notice="r", replaced_by=2, headline="L 149 gesperrt"),
        build_entry(code="00000002", notice="r", revision=2, headline="L 149 wieder frei"),
        build_entry(code="00000003", notice="w", headline="Falscher Alarm", withdrawn_at=NOW),
        build_entry(code="00000004", notice="e", headline="Vorbei", expires_at=NOW - timedelta(hours=1)),
        build_entry(code="00000005", notice="l", headline=LONG, text=f"{LONG} " * 6),
        *events,
    ]


@pytest.fixture(scope="module")
async def filled(module_database: FreshDatabase) -> FreshDatabase:
    connection = await asyncpg.connect(module_database.url)
    begin = NOW - timedelta(days=1)
    try:
        await insert_entries(connection, build_entries())
        for lane, seconds in (("urgent", 7), ("bulk", 200)):
            reached = begin + timedelta(seconds=seconds)
            await add_broadcast(connection, lane=lane, audience=6_000, started_at=begin, reached_at=reached)
    finally:
        await connection.close()
    return module_database


@pytest.fixture
async def archive(filled: FreshDatabase, request: pytest.FixtureRequest) -> AsyncIterator[ArchiveHarness]:
    """With KERN, or without it where a test says so."""
    assets = getattr(request, "param", ASSETS)
    async with run_archive(filled, assets=assets) as running:
        await running.cache.refresh()
        await running.levels.refresh()
        yield running


@pytest.mark.parametrize(
    ("archive", "size", "scheme"),
    [
        pytest.param(ASSETS, DESKTOP, "light", id="1280"),
        pytest.param(ASSETS, TABLET, "dark", id="768-dark"),
        pytest.param(ASSETS, ENLARGED, "light", id="640"),
        pytest.param(ASSETS, PHONE, "light", id="320"),
        pytest.param(ASSETS, PHONE, "dark", id="320-dark"),
        pytest.param(NO_ASSETS, DESKTOP, "dark", id="1280-dark-plain"),
        pytest.param(NO_ASSETS, PHONE, "light", id="320-plain"),
    ],
    indirect=["archive"],
)
async def test_every_page_is_for_everybody(
    inspector: Inspector,
    archive: ArchiveHarness,
    size: tuple[int, int],
    scheme: Scheme,
    request: pytest.FixtureRequest,
) -> None:
    page = await inspector.open(await inspector.open_context(size, scheme=scheme), archive.url)
    for name, path in PAGES.items():
        await page.goto(archive.url + path)
        await take_screenshot(page, f"archive-{request.node.callspec.id}/{name}")
        await inspector.inspect(page, name)


@pytest.mark.parametrize("archive", [ASSETS, NO_ASSETS], indirect=True, ids=["kern", "plain"])
async def test_words_and_codes_stay_whole(inspector: Inspector, archive: ArchiveHarness) -> None:
    """On narrow screens, wherever the line ends."""
    page = await inspector.open(await inspector.open_context(PHONE), archive.url)
    torn = {}
    for name, path in PAGES.items():
        await page.goto(archive.url + path)
        for width in range(PHONE[0], 480, 20):
            await page.set_viewport_size({"width": width, "height": PHONE[1]})
            if words := await list_torn_words(page):
                torn[f"{name} {width}"] = words
    assert torn == {}


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=lambda size: f"{size[0]}")
async def test_the_keyboard_reaches_everything(
    inspector: Inspector, archive: ArchiveHarness, size: tuple[int, int]
) -> None:
    page = await inspector.open(await inspector.open_context(size), archive.url)
    for name, path in PAGES.items():
        await page.goto(archive.url + path)
        controls = await page.locator("a[href], button, input, select").count()
        assert len(await walk_by_keyboard(page)) == controls, name


async def test_a_citizen_checks_a_message_without_script_and_mouse(
    inspector: Inspector, archive: ArchiveHarness
) -> None:
    page = await inspector.open(await inspector.open_context(script=False), archive.url)
    await page.get_by_label("Prüfcode").focus()
    await page.keyboard.type("k7m2 q9tx")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Ja, mit diesem Code haben wir eine Meldung veröffentlicht")).to_be_visible()
    await page.get_by_role("link", name="Zur Seite dieser Meldung").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("K 8: neue Fahrbahndecke")


async def test_a_citizen_chooses_topic_and_municipality(inspector: Inspector, archive: ArchiveHarness) -> None:
    page = await inspector.open(await inspector.open_context(script=False), archive.url)
    await page.get_by_label("Thema").select_option("baustellen")
    await page.get_by_label("Gemeinde").select_option("Worpswede")
    await page.get_by_role("button", name="Anzeigen").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Baustellen in Worpswede")
    await expect(page.get_by_role("article")).to_have_count(5)
    await expect(page.get_by_label("Gemeinde")).to_have_value("Worpswede")


async def test_the_first_tab_skips_to_the_content(inspector: Inspector, archive: ArchiveHarness) -> None:
    page = await inspector.open(await inspector.open_context(), archive.url)
    await press_to(page, "Zum Inhalt springen")
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
