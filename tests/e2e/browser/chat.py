"""One phone on the page, whatever else is on it."""

from dataclasses import dataclass

from playwright.async_api import Locator, Page, expect

from tests.e2e.dialogue.harness import DialogueHarness

ADD, ADD_UNNUMBERED = "Telefon hinzufügen", "Ohne Rufnummer hinzufügen"


@dataclass(frozen=True)
class BrowserChat:
    """`system` tells when the county has dealt with what the citizen did."""

    system: DialogueHarness
    page: Page
    phone: Locator

    async def send_text(self, text: str) -> str:
        """Return what the page shows as the answer; empty if there is none."""
        await self.phone.get_by_role("textbox").fill(text)
        return await self._press_and_wait("Senden")

    async def press_button(self, name: str) -> str:
        """A button or row under the newest message of the county."""
        newest = self.received.last
        return await self._press_and_wait(name, newest)

    async def act(self, name: str) -> str:
        """One of the other things that a phone can do."""
        kinds = self.phone.locator("details")
        if not await kinds.evaluate("details => details.open"):
            await kinds.locator("summary").click()
        return await self._press_and_wait(name, kinds)

    async def _press_and_wait(self, name: str, where: Locator | None = None) -> str:
        """Press it and wait for the county; exactly one answer or none."""
        before = await self.received.count()
        await (where or self.phone).get_by_role("button", name=name, exact=where is None).first.click()
        await self.system.wait_for_acts()
        if await self.system.fetch_last_result() == "erased":  # whose answer is forgotten as soon as it is published
            await expect(self.received).to_have_count(before + 1)
        told = await self.count_messages()
        await expect(self.received).to_have_count(told)
        assert told - before in (0, 1), "one answer per event"
        return await self.received.last.locator(".text").inner_text() if told > before else ""

    async def count_messages(self) -> int:
        """Return how many messages of the county the phone has, as the simulator knows it."""
        shown = await self.system.call("GET", f"citizens/{await self.number()}/messages")
        return sum(entry["direction"] == "received" for entry in shown["messages"])

    async def number(self) -> int:
        identifier = await self.phone.get_by_role("heading").get_attribute("id")
        return int((identifier or "").removeprefix("phone-"))

    async def expect_text(self, text: str) -> None:
        await self.received.get_by_text(text).first.wait_for()

    @property
    def received(self) -> Locator:
        return self.phone.locator(".line.received")


async def open_chat(system: DialogueHarness, page: Page, button: str = ADD) -> BrowserChat:
    """A new phone."""
    before = (await system.call("GET", "citizens?limit=0"))["total"]
    await page.get_by_role("button", name=button, exact=True).click()
    # Its name changes with its number.
    phone = page.locator(f".phone:has(#phone-{before + 1})")
    await phone.wait_for()
    return BrowserChat(system, page, phone)
