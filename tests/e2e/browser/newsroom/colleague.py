"""A colleague at a browser: what a person does with the newsroom, by the words on the page."""

import time
from dataclasses import dataclass
from typing import Self

import pyotp
from playwright.async_api import Page, expect

from tests.e2e.browser.newsroom.inspection import Inspector


@dataclass(kw_only=True)
class Colleague:
    """`secret` is what the app on the telephone knows; it is empty until it is set up."""

    inspector: Inspector
    page: Page
    url: str
    login: str
    password: str = "drei-alte-birken-am-moor"
    secret: str = ""

    @classmethod
    async def sit_down(cls, inspector: Inspector, url: str, login: str, *, script: bool = True) -> Self:
        page = await inspector.open(await inspector.open_context(script=script), url)
        return cls(inspector=inspector, page=page, url=url, login=login)

    async def log_in_first(self, first_password: str) -> None:
        """Log in with the password that was handed over, as far as the page where a password is chosen."""
        await self.page.get_by_label("Anmeldename").fill(self.login)
        await self.page.get_by_label("Kennwort").fill(first_password)
        await self.page.get_by_role("button", name="Anmelden").click()
        await expect(self.page.get_by_role("heading", level=1)).to_have_text("Anmeldung einrichten")

    async def set_up(self) -> None:
        """Choose a password and set up the app, as far as the recovery codes."""
        self.secret = (await self.page.locator("code.nr-code").inner_text()).replace(" ", "")
        await self.page.get_by_label("Neues Kennwort").fill(self.password)
        await self.page.get_by_label("Einmalcode aus der App").fill(self.compute_code())
        await self.page.get_by_role("button", name="Speichern und anmelden").click()
        await expect(self.page.get_by_role("heading", level=1)).to_have_text("Wiederherstellungscodes")

    async def log_in_again(self, code: str) -> None:
        """Log out, and in with a recovery code."""
        await self.press("Abmelden")
        await expect(self.page.get_by_text("Sie sind abgemeldet.")).to_be_visible()
        await self.page.get_by_label("Anmeldename").fill(self.login)
        await self.page.get_by_label("Kennwort").fill(self.password)
        await self.page.get_by_label("Einmalcode").fill(code)
        await self.press("Anmelden")
        await expect(self.page.get_by_role("heading", level=1)).to_contain_text("Guten Tag")

    async def go_on(self) -> None:
        await self.page.get_by_role("link", name="Codes sind verwahrt, weiter").click()
        await expect(self.page.get_by_role("heading", level=1)).to_contain_text("Guten Tag")

    def compute_code(self) -> str:
        """The code that the app shows now."""
        return pyotp.TOTP(self.secret).at(int(time.time()))

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def follow(self, name: str) -> None:
        await self.page.get_by_role("link", name=name, exact=True).first.click()

    async def expect_heading(self, text: str) -> None:
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(text)
