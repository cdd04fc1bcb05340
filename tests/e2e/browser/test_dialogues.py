"""Every dialogue, played on the page against the real system: what a person would do there, and what they then see."""

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.browser.chat import ADD_UNNUMBERED, open_chat
from tests.e2e.browser.phones import open_page
from tests.e2e.dialogue.harness import DialogueHarness
from tests.factories.citizens import TEXTS

pytestmark = pytest.mark.timeout(400)


def phones_url(system: DialogueHarness) -> str:
    return f"{system.stack.simulator_url}/#{system.stack.control_token}"


async def test_start_topics_places_pause_and_leaving(browser: Browser, system: DialogueHarness) -> None:
    async with open_page(browser, phones_url(system)) as phones:
        chat = await open_chat(system, phones.page)
        assert await chat.send_text("Start") == TEXTS.receipt.text
        assert "Ihre Themen: Baustellen." in await chat.press_button("Nur Baustellen")
        assert "Ihre Themen: Veranstaltungen, Baustellen." in await chat.send_text("1 3")
        assert "Ihre Themen: Straßensperrungen." in await chat.send_text("nur Straßensperrungen")
        assert "alle Gemeinden" in await chat.send_text("Gemeinden")
        assert "nur Meldungen für Worpswede" in await chat.press_button("Worpswede")
        await system.publish("Sperrung in Lilienthal", municipalities=("Lilienthal",))
        await system.publish("Sperrung in Worpswede", municipalities=("Worpswede",))
        await chat.expect_text("Sperrung in Worpswede")
        assert "Pause bis einschließlich" in await chat.send_text("Pause 2 Wochen")
        await system.publish("Sperrung in der Pause")
        assert "Die Pause ist beendet" in await chat.press_button("Weiter")
        await system.publish("Sperrung nach der Pause")
        await chat.expect_text("Sperrung nach der Pause")
        for unseen in ("Sperrung in Lilienthal", "Sperrung in der Pause"):
            await expect(chat.received.get_by_text(unseen)).to_have_count(0)
        assert "Stellen, Straßensperrungen" in await chat.send_text("auch Stellen")
        assert "Ihre Themen: Straßensperrungen." in await chat.send_text("Stop Stellen")
        assert await chat.send_text("Stop") == TEXTS.unsubscribe_confirmation.text
        assert phones.complaints == []
        assert await phones.list_violations() == []


async def test_feedback_rating_reaction_data_and_erasure(browser: Browser, system: DialogueHarness) -> None:
    async with open_page(browser, phones_url(system)) as phones:
        chat = await open_chat(system, phones.page)
        await chat.send_text("Start")
        assert await chat.send_text("Feedback: Gut gemacht") == TEXTS.feedback_thanks.text
        await system.publish("Bewertet")
        await chat.expect_text("Bewertet")
        assert await chat.press_button("Hilfreich") == TEXTS.feedback_thanks.text
        assert await chat.act("Reaktion 👍") == ""
        data = await chat.send_text("Daten")
        for stored in ("angemeldet, Themen: Veranstaltungen", "„Gut gemacht“", "Straßensperrungen: Hilfreich"):
            assert stored in data
        erased = await chat.send_text("Löschen")
        for told in ("Ihre Daten sind gelöscht", "Ohne Ihre Nummer bleiben"):
            assert told in erased
        assert "Anmeldung: keine" in await chat.send_text("Daten")
        assert phones.complaints == []


async def test_no_contact_channel_but_an_emergency_is_answered(browser: Browser, system: DialogueHarness) -> None:
    async with open_page(browser, phones_url(system)) as phones:
        chat = await open_chat(system, phones.page)
        assert await chat.send_text("Wann haben Sie geöffnet?") == TEXTS.hint.text
        assert await chat.send_text("Hallo?") == ""
        for kind in ("Sprachnachricht", "Bild", "Video", "Dokument", "Sticker", "Standort", "Kontakt"):
            assert await chat.act(kind) == "", kind
        for _ in range(2):
            assert await chat.send_text("Hilfe, Überfall in der Bahnhofstraße!") == TEXTS.emergency.text
        other = await open_chat(system, phones.page)
        assert await other.act("Sprachnachricht") == TEXTS.hint.text
        assert phones.complaints == []


async def test_what_whatsapp_itself_tells_is_obeyed_and_not_answered(browser: Browser, system: DialogueHarness) -> None:
    """Marketing stopped and resumed, and a new number."""
    async with open_page(browser, phones_url(system)) as phones:
        chat = await open_chat(system, phones.page)
        number = await chat.phone.locator(".number").inner_text()
        await chat.send_text("Start")
        assert await chat.act("Werbung abbestellen") == ""
        await system.publish("Ein Konzert", topic="veranstaltungen")
        await system.publish("Eine Sperrung")
        await chat.expect_text("Eine Sperrung")
        await expect(chat.received.get_by_text("Ein Konzert")).to_have_count(0)
        assert await chat.act("Werbung zulassen") == ""
        await system.publish("Ein Theaterabend", topic="veranstaltungen")
        await chat.expect_text("Ein Theaterabend")
        assert await chat.act("Nummer wechseln") == ""
        await expect(chat.phone.locator(".number")).not_to_have_text(number)
        await system.publish("Nach dem Umzug")
        await chat.expect_text("Nach dem Umzug")
        assert await chat.send_text("Stop") == TEXTS.unsubscribe_confirmation.text
        assert phones.complaints == []


async def test_somebody_without_a_number_has_it_all(browser: Browser, system: DialogueHarness) -> None:
    async with open_page(browser, phones_url(system)) as phones:
        chat = await open_chat(system, phones.page, ADD_UNNUMBERED)
        await expect(chat.phone.locator(".number")).to_have_text("ohne Rufnummer (nur BSUID)")
        assert await chat.send_text("Start") == TEXTS.receipt.text
        await system.publish("Für alle")
        await chat.expect_text("Für alle")
        assert await chat.act("Nummer wechseln") == ""
        await system.publish("Auch danach")
        await chat.expect_text("Auch danach")
        assert await chat.press_button("Stop") == TEXTS.unsubscribe_confirmation.text
        assert phones.complaints == []
