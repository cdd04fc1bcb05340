"""From an empty system to the certificate, as the editors' guide tells it; its pictures are taken here.

KREISFUNK_TEST_SCREENSHOTS=docs/pictures takes them again.
"""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

import pyotp
import pytest
from playwright.async_api import Page, expect

from deploy.local.stack import Stack, run_stack
from simulator.client import SimulatorClient, open_simulator_client
from tests.contract_recorder.follower import follow_stack
from tests.e2e.browser.newsroom.inspection import DESKTOP, Inspector, take_screenshot
from tests.e2e.dialogue.harness import CitizenPhone, open_dialogue_harness
from tests.harness.commands import run_kreisfunk
from tests.servers import make_folder

CITIZENS = 1_000
SENDING_MILLISECONDS = 180_000
HEADLINE = "L 149 bei Worpswede gesperrt"
TEXT = (
    "Zwischen Worpswede und Neu Sankt Jürgen wird die Fahrbahn erneuert."
    " Die Umleitung über Hüttenbusch ist ausgeschildert."
)
CORRECTION = "L 149 bei Worpswede: schon am Donnerstag frei"

pytestmark = pytest.mark.timeout(900)


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


@pytest.fixture(scope="module")
async def county() -> AsyncIterator[Stack]:
    """The whole system, empty, as `make up` starts it."""
    with make_folder() as parent:
        folder = parent / "county"
        async with follow_stack(folder), run_stack(folder, newsrooms=1, messages_per_second=80) as stack:
            yield stack


async def add_account(stack: Stack, login: str, name: str, *roles: str) -> str:
    """Add an account at the command line, and return its password."""
    options = [part for role in roles for part in ("--role", role)]
    command = ("newsroom", "users", "add", login, "--name", name, *options, "--json", "--stack", str(stack.folder))
    added = await run_kreisfunk(*command)
    assert added.status == 0, added.everything
    password: str = added.json["password"]
    return password


async def take_picture(page: Page, name: str, height: int = DESKTOP[1]) -> None:
    """A picture of what is at the top of the window, for the guide."""
    clip = {"x": 0, "y": 0, "width": DESKTOP[0], "height": height}
    await take_screenshot(page, f"newsroom-{name}", full_page=False, clip=clip)


async def subscribe(simulator: SimulatorClient, stack: Stack, number: int = CITIZENS) -> list[int]:
    citizens = await simulator.add_citizens(number, bsuid_only=0)
    async with open_dialogue_harness(stack) as system:
        await simulator.send_text(citizens, "Start", per_second=200)
        await system.wait_for_acts(number)
    return citizens


async def test_from_the_first_account_to_the_certificate(county: Stack, inspector: Inspector) -> None:
    async with open_simulator_client(county.simulator_url, county.control_token) as simulator:
        citizens = await subscribe(simulator, county)
        writer, approver = await arrive(county, inspector)
        broadcast = await send_notice(writer, approver)
        await watch(writer)
        await correct(writer, approver)
        await rate(county, citizens[0])
        await read_feedback(writer)
        await take_certificate(writer, broadcast)
        await find_in_archive(county, inspector, citizens[0])


async def test_the_whole_way_without_script(county: Stack, inspector: Inspector) -> None:
    """As an office's browser may have it: every step by a form or a link, and pages that reload by themselves."""
    async with open_simulator_client(county.simulator_url, county.control_token) as simulator:
        (citizen, *_) = await subscribe(simulator, county, 5)
    writer = await arrive_without_script(county, inspector, "redaktion-2", "editor")
    approver = await arrive_without_script(county, inspector, "freigabe-2", "approver")
    page, headline = writer.page, "K 8 bei Grasberg gesperrt"
    await write(writer, headline)
    await writer.press("Speichern")
    await expect(page.get_by_text("Der Entwurf ist gespeichert.")).to_be_visible()
    await expect(page.get_by_label("Vorschau")).to_contain_text(TEXT)
    await page.get_by_label("Link").fill("https://example.org/")
    await writer.press("Weiter zur Prüfung")
    await expect(page.get_by_text("Bitte prüfen Sie die markierten Felder.")).to_be_visible()
    await page.get_by_label("Link").fill("")
    await send_without_script(writer, approver, headline)
    await page.goto(f"{writer.url}/aussendungen")
    await writer.follow(headline)
    await expect(page.get_by_text("abgeschlossen").first).to_be_visible(timeout=SENDING_MILLISECONDS)
    await writer.press("Korrigieren")
    await page.get_by_label("Überschrift").fill(f"{headline}: bis Freitag")
    await send_without_script(writer, approver, f"{headline}: bis Freitag")
    await expect(approver.page.get_by_text("abgeschlossen").first).to_be_visible(timeout=SENDING_MILLISECONDS)
    async with open_dialogue_harness(county) as system:
        await CitizenPhone(system, citizen).write("Feedback: Gut zu wissen, ganz ohne Skript.")
    await page.goto(writer.url)
    await writer.follow("Rückmeldungen")
    await page.get_by_label("Suchwort").fill("ohne Skript")
    await writer.press("Anzeigen")
    await expect(page.get_by_text("Gut zu wissen, ganz ohne Skript.")).to_be_visible()


async def arrive_without_script(county: Stack, inspector: Inspector, login: str, role: str) -> Colleague:
    """Somebody logs in for the first time, and a second time."""
    password = await add_account(county, login, login.capitalize(), role)
    colleague = await Colleague.sit_down(inspector, county.newsroom_url, login, script=False)
    await colleague.log_in_first(password)
    await colleague.set_up()
    code = await colleague.page.locator(".nr-codes code").first.inner_text()
    await colleague.go_on()
    await colleague.log_in_again(code)
    return colleague


async def send_without_script(writer: Colleague, approver: Colleague, headline: str) -> None:
    """Check the draft in the editor, have the other person approve it, and publish it."""
    await writer.press("Weiter zur Prüfung")
    await writer.expect_heading("Prüfung vor dem Senden")
    await writer.press("Zur Freigabe geben")
    await expect(writer.page.get_by_text("wartet auf Freigabe").first).to_be_visible()
    await approver.page.goto(approver.url)
    await approver.follow(headline)
    await publish(approver)


async def arrive(county: Stack, inspector: Inspector) -> tuple[Colleague, Colleague]:
    """Two people log in for the first time."""
    first = await add_account(county, "redaktion-1", "Redaktion 1", "editor")
    second = await add_account(county, "freigabe-1", "Freigabe 1", "approver", "lead")
    writer = await Colleague.sit_down(inspector, county.newsroom_url, "redaktion-1")
    await take_picture(writer.page, "login")
    await writer.log_in_first(first)
    await take_picture(writer.page, "setup")
    await writer.set_up()
    await writer.go_on()
    await inspector.inspect(writer.page, "empty overview")
    await take_picture(writer.page, "empty")
    approver = await Colleague.sit_down(inspector, county.newsroom_url, "freigabe-1")
    await approver.log_in_first(second)
    await approver.set_up()
    await approver.go_on()
    return writer, approver


async def send_notice(writer: Colleague, approver: Colleague) -> str:
    """A notice is written, checked, approved by the other person, and published; returns its broadcast's path."""
    page = writer.page
    await write(writer, HEADLINE)
    await expect(page.get_by_label("Vorschau")).to_contain_text("Straßensperrung im Landkreis Osterholz")
    await expect(page.get_by_label("Vorschau")).to_contain_text(TEXT)
    await page.evaluate("scrollTo(0, 0)")
    # Debian's Chromium shows dates in English; they begin below.
    await take_picture(page, "editor", height=730)
    await writer.inspector.inspect(page, "editor")
    await writer.press("Weiter zur Prüfung")
    await writer.expect_heading("Prüfung vor dem Senden")
    await expect(page.get_by_text("1.000", exact=True)).to_be_visible()
    await take_picture(page, "check")
    await writer.inspector.inspect(page, "check")
    await writer.press("Zur Freigabe geben")
    await expect(page.get_by_text("wartet auf Freigabe").first).to_be_visible()

    await approver.page.goto(approver.url)
    await expect(approver.page.get_by_role("heading", name="Wartet auf Ihre Freigabe")).to_be_visible()
    await take_picture(approver.page, "waiting")
    await approver.follow(HEADLINE)
    await take_picture(approver.page, "approve")
    await approver.inspector.inspect(approver.page, "approval")
    return await publish(approver)


async def write(writer: Colleague, headline: str) -> None:
    """A new notice is written, and not saved yet."""
    page = writer.page
    await writer.press("Neue Meldung schreiben")
    await writer.expect_heading("Meldung schreiben")
    await page.get_by_label("Thema").select_option(label="Straßensperrungen")
    await page.get_by_label("Überschrift").fill(headline)
    await page.get_by_label("Text", exact=True).fill(TEXT)
    ends = datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(days=2)
    await page.get_by_label("Gültig bis").fill(f"{ends:%Y-%m-%dT%H:%M}")


async def publish(approver: Colleague) -> str:
    """Approve what is open and publish it; return the path of its broadcast."""
    await approver.press("Freigeben")
    await expect(approver.page.get_by_text("Die Meldung ist freigegeben.")).to_be_visible()
    await approver.follow("Zum Veröffentlichen")
    await approver.press("Jetzt veröffentlichen")
    await expect(approver.page).to_have_url(re.compile(r"/aussendungen/[0-9a-f-]{36}$"), timeout=SENDING_MILLISECONDS)
    return approver.page.url.removeprefix(approver.url)


async def watch(writer: Colleague) -> None:
    """The broadcast is watched from its beginning to its end, without reloading."""
    page = writer.page
    await page.goto(f"{writer.url}/aussendungen")
    await writer.follow(HEADLINE)
    await expect(page.get_by_text("wird gesendet")).to_be_visible()
    await take_picture(page, "sending")
    await expect(page.get_by_text("abgeschlossen").first).to_be_visible(timeout=SENDING_MILLISECONDS)
    await expect(page.get_by_text("1.000 von 1.000").first).to_be_visible()
    await take_picture(page, "finished")
    await writer.inspector.inspect(page, "finished broadcast")


async def correct(writer: Colleague, approver: Colleague) -> None:
    page = writer.page
    await writer.press("Korrigieren")
    await writer.expect_heading("Korrektur schreiben")
    await page.get_by_label("Überschrift").fill(CORRECTION)
    await writer.press("Weiter zur Prüfung")
    await writer.press("Zur Freigabe geben")
    await approver.page.goto(approver.url)
    await approver.follow(CORRECTION)
    await publish(approver)
    await page.goto(f"{writer.url}/aussendungen")
    await writer.follow(CORRECTION)
    await expect(page.get_by_text("abgeschlossen").first).to_be_visible(timeout=SENDING_MILLISECONDS)
    await expect(page.get_by_text("1.000 von 1.000").first).to_be_visible(timeout=SENDING_MILLISECONDS)


async def rate(county: Stack, citizen: int) -> None:
    """A citizen presses a button, and writes."""
    async with open_dialogue_harness(county) as system:
        phone = CitizenPhone(system, citizen)
        await phone.press("Hilfreich")
        await phone.write("Feedback: Danke, gut zu wissen.")


async def read_feedback(writer: Colleague) -> None:
    await writer.page.goto(f"{writer.url}/rueckmeldungen")
    await expect(writer.page.get_by_text("Danke, gut zu wissen.").first).to_be_visible()
    await take_picture(writer.page, "feedback")
    await writer.inspector.inspect(writer.page, "feedback")


async def take_certificate(writer: Colleague, broadcast: str) -> None:
    page = writer.page
    await page.goto(writer.url + broadcast)
    await writer.follow("Nachweis ansehen und drucken")
    await writer.expect_heading("Nachweis einer Aussendung")
    await expect(page.get_by_text("Freigabe 1").first).to_be_visible()
    await take_picture(page, "certificate")
    await writer.inspector.inspect(page, "certificate")


async def find_in_archive(county: Stack, inspector: Inspector, citizen: int) -> None:
    """A citizen checks the message by the code in it, and finds the correction, too."""
    async with open_dialogue_harness(county) as system:
        messages = await CitizenPhone(system, citizen).list_broadcasts()
    (code,) = re.findall(r"Prüfcode: ([0-9A-Z]{4}-[0-9A-Z]{4})", messages[0])
    page = await inspector.open(await inspector.open_context(DESKTOP), county.archive_url)
    await expect(page.get_by_role("link", name=CORRECTION)).to_be_visible()
    await expect(page.get_by_role("link", name=HEADLINE, exact=True)).to_have_count(0)
    await take_picture(page, "archive")
    await inspector.inspect(page, "archive")
    await page.get_by_label("Prüfcode").fill(code)
    await page.get_by_role("button", name="Prüfen").click()
    await expect(page.get_by_text("Ja, mit diesem Code haben wir eine Meldung veröffentlicht")).to_be_visible()
    await expect(page.get_by_text(TEXT)).to_be_visible()
    await expect(page.get_by_text("Ersetzt")).to_be_visible()
    await take_picture(page, "code")
    await inspector.inspect(page, "checked code")
