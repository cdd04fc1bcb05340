"""Logging in over the identity provider in a real browser, whose policy must not keep anybody from going there."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.databases import FreshDatabase
from tests.e2e.browser.newsroom.inspection import ASSETS, DESKTOP, PHONE, Inspector, take_screenshot
from tests.e2e.browser.newsroom.visitors import add_cookie, create_session
from tests.harness.newsroom import run_newsroom
from tests.harness.scripted_provider import LABEL, build_settings, run_scripted_provider


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=lambda size: f"{size[0]}")
async def test_an_account_is_connected_and_then_logs_in_by_one_button(
    inspector: Inspector, database: FreshDatabase, vhost: str, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with run_scripted_provider() as provider:
        provider.visitor = "4711"
        settings = {**build_settings(provider.issuer), "KREISFUNK_NEWSROOM_ASSETS": str(ASSETS)}
        async with run_newsroom(vhost, database, tmp_path, settings=settings) as newsroom:
            context = await inspector.open_context(size)
            page = await context.new_page()  # one that may go elsewhere
            await page.goto(f"{newsroom.url}/anmelden")

            async def look(name: str) -> None:
                await take_screenshot(page, f"newsroom-provider-{size[0]}/{name}")
                await inspector.inspect(page, name)

            await look("login")
            await page.get_by_role("link", name=LABEL).press("Enter")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Kein Zugang zur Redaktion")
            await look("stranger")
            await add_cookie(context, newsroom.url, await create_session(newsroom, "Nele Neu", stage="setup"))
            await page.goto(f"{newsroom.url}/einrichten")
            await look("setup")
            await page.get_by_role("link", name="Mit dem Konto des Landkreises verbinden").press("Enter")
            await expect(page.get_by_text("Mina Moor")).to_be_visible()
            await look("connect")
            await page.get_by_role("button", name="Ja, verbinden").press("Enter")
            await expect(page.get_by_role("heading", level=1)).to_contain_text("Guten Tag")
            await page.get_by_role("button", name="Abmelden").press("Enter")
            await expect(page.get_by_role("link", name="Auch beim Landkreis abmelden")).to_be_visible()
            await look("logged-out")
            await page.get_by_role("link", name=LABEL).press("Enter")
            await expect(page.get_by_role("heading", level=1)).to_contain_text("Guten Tag")
            await page.goto(f"{newsroom.url}/profil")
            await look("profile")
