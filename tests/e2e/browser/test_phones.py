"""A person on the page of phones: writes as a citizen, sees messages arrive, leaves with the button."""

from functools import partial

from playwright.async_api import Browser, expect

from tests.e2e.browser.fake_county import FakeCounty
from tests.e2e.browser.phones import NARROW, open_page
from tests.harness.simulator import CONTROL_TOKEN
from tests.servers import wait_for

ROAD = "Die Umleitung ist ausgeschildert."
LONG_WORD = "Verkehrsinfrastrukturfinanzierungsgesellschaft" * 4


async def test_a_conversation_is_seen_while_it_happens(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url) as phones:
        await phones.add()
        await phones.write("Start")
        await phones.wait_for_text("Start")
        start = await county.wait_for_message(1)
        assert start["text"]["body"] == "Start"

        await county.send(start, ROAD)
        await phones.wait_for_text(ROAD)

        await phones.first.locator(".line.received").get_by_role("button", name="Stop").click()
        stop = await county.wait_for_message(2)
        assert (stop["type"], stop["button"]["payload"]) == ("button", "stop")
        await expect(phones.first.locator(".line.written")).to_have_count(2)
        assert await phones.list_violations() == []
        assert phones.complaints == []


async def test_other_kinds_are_sent_and_seen(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url, NARROW) as phones:
        await phones.add()
        await phones.write("Start")
        await phones.wait_for_text("Start")
        await phones.first.get_by_text("Anderes senden").click()
        kinds = ("Sprachnachricht", "Bild", "Video", "Dokument", "Sticker", "Standort", "Kontakt")
        for number, name in enumerate(kinds, 2):
            await phones.first.get_by_role("button", name=name).click()
            await phones.wait_for_text(name)
            await county.wait_for_message(number)
        await phones.first.get_by_role("textbox").fill("Stop")
        await phones.first.get_by_role("button", name="Text statt des letzten").click()
        assert (await county.wait_for_message(9))["edit"]["message"]["text"]["body"] == "Stop"
        await phones.wait_for_text("Bearbeitet:")
        await phones.first.get_by_role("button", name="Letzte zurückziehen").click()
        assert (await county.wait_for_message(10))["type"] == "revoke"
        await county.send(await county.wait_for_message(1), ROAD)
        await phones.wait_for_text(ROAD)
        await phones.first.get_by_role("button", name="Reaktion 👍").click()
        assert (await county.wait_for_message(11))["reaction"]["emoji"] == "👍"
        for name in ("Werbung abbestellen", "Werbung zulassen"):
            await phones.first.get_by_role("button", name=name).click()
        preferences = partial(county.business.list_items, "user_preferences")
        await wait_for(lambda: [each["value"] for each in preferences()] == ["stop", "resume"])
        assert await phones.measure_overflow() <= 0
        assert await phones.list_violations() == []
        assert phones.complaints == []


async def test_a_phone_may_have_no_number(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url) as phones:
        await phones.page.get_by_role("button", name="Ohne Rufnummer hinzufügen").click()
        await expect(phones.first.locator(".number")).to_have_text("ohne Rufnummer (nur BSUID)")
        assert phones.complaints == []


async def test_neither_a_status_nor_a_reload_adds_a_line(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url) as phones:
        await phones.add()
        await phones.write("Start")
        await county.send(await county.wait_for_message(1), ROAD)
        await phones.first.locator(".received .state.delivered, .received .state.read").wait_for()
        await expect(phones.first.locator(".line")).to_have_count(2)
        await phones.page.reload()
        await phones.wait_for_text(ROAD)
        await expect(phones.first.locator(".line")).to_have_count(2)
        assert await phones.list_violations() == []
        assert phones.complaints == []


async def test_nothing_is_cut_off_on_a_narrow_screen(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url, NARROW) as phones:
        assert await phones.measure_overflow() <= 0
        await phones.add()
        await phones.write(LONG_WORD)
        await county.send(await county.wait_for_message(1), LONG_WORD)
        await phones.first.locator(".line.received").get_by_text(LONG_WORD).wait_for()
        assert await phones.measure_overflow() <= 0
        send = await phones.first.get_by_role("button", name="Senden").bounding_box()
        assert send is not None
        assert send["x"] + send["width"] <= NARROW[0]


async def test_the_keyboard_alone_is_enough(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.phones_url) as phones:
        await phones.page.get_by_role("button", name="Telefon hinzufügen").wait_for()
        invisible = await phones.press_tab_to("Zu den Telefonen")
        invisible += await phones.press_tab_to("Telefon hinzufügen")
        await phones.page.keyboard.press("Enter")
        await expect(phones.first.get_by_role("textbox")).to_be_focused()

        await phones.page.keyboard.type("Start")
        await phones.page.keyboard.press("Enter")
        await county.send(await county.wait_for_message(1), ROAD)
        await phones.wait_for_text(ROAD)

        invisible += await phones.press_tab_to("Chat von Telefon …0000")
        invisible += await phones.press_tab_to("Stop")
        await phones.page.keyboard.press("Enter")
        assert (await county.wait_for_message(2))["button"]["payload"] == "stop"
        assert invisible == []


async def test_without_a_key_the_page_asks_for_it(browser: Browser, county: FakeCounty) -> None:
    async with open_page(browser, county.url) as phones:
        key = phones.page.get_by_label("Schlüssel", exact=True)
        await expect(key).to_be_focused()
        await key.fill("ein falscher")
        await key.press("Enter")
        await phones.page.get_by_text("Der Schlüssel ist nicht der richtige.").wait_for()
        await phones.page.get_by_label("Schlüssel", exact=True).fill(CONTROL_TOKEN)
        await phones.page.keyboard.press("Enter")
        await phones.page.get_by_role("button", name="Telefon hinzufügen").wait_for()
        assert await phones.list_violations() == []
