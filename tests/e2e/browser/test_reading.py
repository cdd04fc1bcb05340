"""New messages, addresses and lists as a person sees them, and keyboard navigation."""

from typing import Any

from playwright.async_api import Browser, expect

from tests.e2e.browser.fake_county import FakeCounty
from tests.e2e.browser.phones import PhonesPage, open_page

TITLE = "Telefone – Kreisfunk-Simulator"
ROWS = [{"id": f"place-{number}", "title": f"Ort {number}", "description": "Gemeinde"} for number in range(3)]
LIST: dict[str, Any] = {
    "type": "interactive",
    "interactive": {
        "type": "list",
        "body": {"text": "Welche Gemeinde?"},
        "action": {"button": "Auswählen", "sections": [{"title": "Orte", "rows": ROWS}]},
    },
}


async def begun(phones: PhonesPage, county: FakeCounty) -> dict[str, Any]:
    """The message of a first phone that has written."""
    await phones.add()
    await phones.write("Start")
    return await county.wait_for_message(1)


async def test_what_is_new_is_marked_until_somebody_looks(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url) as phones:
        message = await begun(phones, county)
        marker = phones.first.locator(".marker")
        await county.send(message, "Wer hier schreibt, sieht es.")
        await phones.wait_for_text("Wer hier schreibt, sieht es.")
        await expect(marker).to_be_hidden()

        await phones.page.get_by_label("Telefon suchen").focus()
        await phones.page.mouse.move(1, 1)
        for number, told in enumerate(("1 neue Nachricht", "2 neue Nachrichten"), 1):
            await county.send(message, f"Ungelesen {number}.")
            await expect(marker).to_have_text(told)
        await expect(phones.page).to_have_title(f"(2) {TITLE}")
        await expect(phones.first.locator(".line.new")).to_have_count(2)

        await phones.first.get_by_role("textbox").focus()
        await expect(marker).to_be_hidden()
        await expect(phones.page).to_have_title(TITLE)
        await expect(phones.first.locator(".line.new")).to_have_count(0)
        await phones.page.reload()
        await phones.wait_for_text("Ungelesen 2.")
        await expect(phones.first.locator(".marker")).to_be_hidden()
        assert phones.complaints == []


async def test_an_address_can_be_followed_if_it_is_of_the_web(browser: Browser, county: FakeCounty) -> None:
    addresses = {
        "Mehr: https://example.org/l149?a=1&b=2#x.": "https://example.org/l149?a=1&b=2#x",
        "Mehr (http://example.org/a)": "http://example.org/a",
        "Wichtig: *https://example.org/b*": "https://example.org/b",
    }
    other = "javascript://example.org/%0aalert(1) data:text/html,x ftp://example.org <a href=x>y</a> http:// x"
    async with open_page(browser, county.phones_url) as phones:
        message = await begun(phones, county)
        await county.send(message, other)
        await phones.wait_for_text(other)
        await expect(phones.first.locator(".received a")).to_have_count(0)
        for number, (text, address) in enumerate(addresses.items()):
            await county.send(message, text)
            link = phones.first.locator(".received").get_by_role("link").nth(number)
            await expect(link).to_have_text(address)
            for name, value in {"href": address, "target": "_blank", "rel": "noopener noreferrer"}.items():
                await expect(link).to_have_attribute(name, value)
        assert await phones.list_violations() == []


async def test_a_list_is_a_list(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url) as phones:
        await county.answer(await begun(phones, county), LIST)
        rows = phones.first.get_by_role("list", name="Auswahl").get_by_role("listitem")
        await expect(rows).to_have_count(len(ROWS))
        await rows.get_by_role("button", name="Ort 1").click()
        assert (await county.wait_for_message(2))["interactive"]["list_reply"]["id"] == "place-1"


async def test_tab_leads_past_older_messages_and_the_arrows_into_them(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url) as phones:
        message = await begun(phones, county)
        for number in (1, 2):
            await county.send(message, f"Meldung {number}.")
            await phones.wait_for_text(f"Meldung {number}.")
        lines = phones.first.locator(".line.received")
        await phones.first.get_by_role("log").focus()
        await phones.page.keyboard.press("Tab")
        await expect(lines.nth(1).get_by_role("button").first).to_be_focused()
        await phones.page.keyboard.press("ArrowUp")
        await expect(lines.nth(0).get_by_role("button").last).to_be_focused()
        await phones.page.keyboard.press("ArrowDown")
        await expect(lines.nth(1).get_by_role("button").first).to_be_focused()
        assert await phones.press_tab_to("Start") == []


async def test_the_focus_stays_when_phones_are_added_elsewhere(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url) as phones:
        await phones.add()
        box = phones.first.get_by_role("textbox")
        await box.focus()
        await phones.page.keyboard.type("Sto")
        await county.add_phones(1)
        await expect(phones.page.locator(".phone")).to_have_count(2)
        await expect(box).to_be_focused()
        await phones.page.keyboard.type("p")
        await expect(box).to_have_value("Stop")


async def test_the_focus_stays_on_the_last_page(browser: Browser, county: FakeCounty) -> None:
    await county.add_phones(7)
    async with open_page(browser, county.phones_url) as phones:
        following = phones.page.get_by_role("button", name="Weiter")
        await following.focus()
        for _ in range(2):
            await phones.page.keyboard.press("Enter")
            await expect(phones.page.locator("#position")).to_have_text("7–7 von 7")
        await expect(following).to_be_focused()
        await expect(following).to_have_attribute("aria-disabled", "true")


async def test_phones_are_called_by_the_end_of_their_number(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url) as phones:
        await phones.add()
        before = await phones.first.get_by_role("heading").inner_text()
        await phones.first.get_by_text("Anderes senden").click()
        await phones.first.get_by_role("button", name="Nummer wechseln").click()
        await expect(phones.first.get_by_role("heading")).not_to_have_text(before)
        number = await phones.first.locator(".number").inner_text()
        await expect(phones.page.get_by_role("article", name=f"Telefon …{number[-4:]}", exact=True)).to_be_visible()
        await phones.page.get_by_label("Telefon suchen").fill(number[-4:])
        await expect(phones.page.locator(".phone")).to_have_count(1)
