"""Every dialogue, played on the page against the real system: what a person would do there, and what they then see."""

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.browser.chat import ADD_UNNUMBERED, chat_of
from tests.e2e.browser.phones import opened
from tests.e2e.dialogue.town import Town
from tests.unit.subscriptions.material import TEXTS

pytestmark = pytest.mark.timeout(400)


def phones_url(town: Town) -> str:
    return f"{town.stack.simulator_url}/#{town.stack.control_token}"


async def test_start_topics_places_pause_and_leaving(browser: Browser, town: Town) -> None:
    async with opened(browser, phones_url(town)) as phones:
        chat = await chat_of(town, phones.page)
        assert await chat.says("Start") == TEXTS.receipt.text
        assert "Ihre Themen: Baustellen." in await chat.presses("Nur Baustellen")
        assert "Ihre Themen: Veranstaltungen, Baustellen." in await chat.says("1 3")
        assert "Ihre Themen: Straßensperrungen." in await chat.says("nur Straßensperrungen")
        assert "alle Gemeinden" in await chat.says("Gemeinden")
        assert "nur Meldungen für Worpswede" in await chat.presses("Worpswede")
        await town.publish("Sperrung in Lilienthal", municipalities=("Lilienthal",))
        await town.publish("Sperrung in Worpswede", municipalities=("Worpswede",))
        await chat.shows("Sperrung in Worpswede")
        assert "Pause bis einschließlich" in await chat.says("Pause 2 Wochen")
        await town.publish("Sperrung in der Pause")
        assert "Die Pause ist beendet" in await chat.presses("Weiter")
        await town.publish("Sperrung nach der Pause")
        await chat.shows("Sperrung nach der Pause")
        for unseen in ("Sperrung in Lilienthal", "Sperrung in der Pause"):
            await expect(chat.received.get_by_text(unseen)).to_have_count(0)
        assert "Stellen, Straßensperrungen" in await chat.says("auch Stellen")
        assert "Ihre Themen: Straßensperrungen." in await chat.says("Stop Stellen")
        assert await chat.says("Stop") == TEXTS.farewell.text
        assert phones.complaints == []
        assert await phones.violations() == []


async def test_feedback_rating_reaction_data_and_erasure(browser: Browser, town: Town) -> None:
    async with opened(browser, phones_url(town)) as phones:
        chat = await chat_of(town, phones.page)
        await chat.says("Start")
        assert await chat.says("Feedback: Gut gemacht") == TEXTS.feedback_thanks.text
        await town.publish("Bewertet")
        await chat.shows("Bewertet")
        assert await chat.presses("Hilfreich") == TEXTS.feedback_thanks.text
        assert await chat.acts("Reaktion 👍") == ""
        data = await chat.says("Daten")
        for stored in ("angemeldet, Themen: Veranstaltungen", "„Gut gemacht“", "Straßensperrungen: Hilfreich"):
            assert stored in data
        erased = await chat.says("Löschen")
        for told in ("Ihre Daten sind gelöscht", "Ohne Ihre Nummer bleiben"):
            assert told in erased
        assert "Anmeldung: keine" in await chat.says("Daten")
        assert phones.complaints == []


async def test_no_contact_channel_but_an_emergency_is_answered(browser: Browser, town: Town) -> None:
    async with opened(browser, phones_url(town)) as phones:
        chat = await chat_of(town, phones.page)
        assert await chat.says("Wann haben Sie geöffnet?") == TEXTS.hint.text
        assert await chat.says("Hallo?") == ""
        for kind in ("Sprachnachricht", "Bild", "Video", "Dokument", "Sticker", "Standort", "Kontakt"):
            assert await chat.acts(kind) == "", kind
        for _ in range(2):
            assert await chat.says("Hilfe, Überfall in der Bahnhofstraße!") == TEXTS.emergency.text
        other = await chat_of(town, phones.page)
        assert await other.acts("Sprachnachricht") == TEXTS.hint.text
        assert phones.complaints == []


async def test_what_whatsapp_itself_tells_is_obeyed_and_not_answered(browser: Browser, town: Town) -> None:
    """Marketing stopped and resumed, and a new number."""
    async with opened(browser, phones_url(town)) as phones:
        chat = await chat_of(town, phones.page)
        number = await chat.phone.locator(".number").inner_text()
        await chat.says("Start")
        assert await chat.acts("Werbung abbestellen") == ""
        await town.publish("Ein Konzert", topic="veranstaltungen")
        await town.publish("Eine Sperrung")
        await chat.shows("Eine Sperrung")
        await expect(chat.received.get_by_text("Ein Konzert")).to_have_count(0)
        assert await chat.acts("Werbung zulassen") == ""
        await town.publish("Ein Theaterabend", topic="veranstaltungen")
        await chat.shows("Ein Theaterabend")
        assert await chat.acts("Nummer wechseln") == ""
        await expect(chat.phone.locator(".number")).not_to_have_text(number)
        await town.publish("Nach dem Umzug")
        await chat.shows("Nach dem Umzug")
        assert await chat.says("Stop") == TEXTS.farewell.text
        assert phones.complaints == []


async def test_somebody_without_a_number_has_it_all(browser: Browser, town: Town) -> None:
    async with opened(browser, phones_url(town)) as phones:
        chat = await chat_of(town, phones.page, ADD_UNNUMBERED)
        await expect(chat.phone.locator(".number")).to_have_text("ohne Rufnummer (nur BSUID)")
        assert await chat.says("Start") == TEXTS.receipt.text
        await town.publish("Für alle")
        await chat.shows("Für alle")
        assert await chat.acts("Nummer wechseln") == ""
        await town.publish("Auch danach")
        await chat.shows("Auch danach")
        assert await chat.presses("Stop") == TEXTS.farewell.text
        assert phones.complaints == []
