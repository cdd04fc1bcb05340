"""The page as a person sees it, and everything the browser complains about meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Browser, ConsoleMessage, Locator, Page

from tests.e2e.browser.newsroom.inspection import PATIENCE_MILLISECONDS, WATCH_POLICY, press_to

WIDE = (1280, 900)
NARROW = (360, 740)


@dataclass
class PhonesPage:
    """One tab with the page in it."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def open(self, url: str) -> None:
        self.page.set_default_timeout(PATIENCE_MILLISECONDS)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await self.page.add_init_script(WATCH_POLICY)
        await self.page.goto(url)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    @property
    def first(self) -> Locator:
        return self.page.locator(".phone").first

    async def add(self) -> None:
        await self.page.get_by_role("button", name="Telefon hinzufügen").click()
        await self.first.wait_for()

    async def write(self, text: str) -> None:
        box = self.first.get_by_role("textbox")
        await box.fill(text)
        await box.press("Enter")

    async def wait_for_text(self, text: str) -> None:
        """Returns once the first phone shows a message with this text."""
        await self.first.get_by_role("log").get_by_text(text).wait_for()

    async def list_violations(self) -> list[str]:
        return list(await self.page.evaluate("window.violations"))

    async def measure_overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    async def press_tab_to(self, name: str) -> list[str]:
        return await press_to(self.page, name)


@asynccontextmanager
async def open_page(browser: Browser, url: str, size: tuple[int, int] = WIDE) -> AsyncIterator[PhonesPage]:
    width, height = size
    context = await browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    try:
        phones = PhonesPage(await context.new_page())
        await phones.open(url)
        yield phones
    finally:
        await context.close()
