"""Buttons that are pressed after the end of a session: nothing is done, the login says so, and leads back."""

from html import unescape
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from services.newsroom.domain.accounts import Role
from tests.harness.newsroom import SAME_ORIGIN, EditorBrowser, Member, NewsroomProcess, log_in
from tests.harness.writing import WritingHarness, read_state

SAID = "Sie waren abgemeldet. Es ist nichts geschehen: Melden Sie sich an und wiederholen Sie es."

pytestmark = pytest.mark.usefixtures("no_failures")


async def press(browser: EditorBrowser, path: str, page: str) -> str:
    """Where the login leads that a form of this page leads to after the end of its session."""
    headers = {**SAME_ORIGIN, "Referer": page}
    found = await browser.request("POST", path, data={"csrf": "f" * 32, "version": "2"}, headers=headers)
    assert found.status == 303
    asked = urlsplit(found.location)
    assert asked.path == "/anmelden"
    assert SAID in await browser.read(found.location)
    return parse_qs(asked.query).get("weiter", ["/"])[0]


async def test_an_approval_after_the_end_of_the_session_leads_back_to_the_check(
    newsroom: NewsroomProcess, anna: WritingHarness
) -> None:
    path = await anna.begin()
    await anna.act(path, "einreichen")
    approver = await newsroom.add_member(Role.APPROVER)
    async with newsroom.open_browser(approver) as browser:
        csrf = (await browser.open(f"{path}/pruefung")).csrf
        await newsroom.owner.execute(
            "update newsroom.session set revoked_at = now() where account = $1", approver.account.id
        )
        headers = {**SAME_ORIGIN, "Referer": f"{newsroom.url}{path}/pruefung?erledigt=geprueft"}
        form = {"csrf": csrf, "version": "2"}
        asked = await browser.request("POST", f"{path}/freigeben", data=form, headers=headers)
        login = await browser.open(asked.location)
        assert SAID in login.text
        destination = unescape(login.read_value("weiter"))
        code = approver.next_code()
        assert (
            await log_in(browser, approver.account.login, code=code, weiter=destination)
        ).location == f"{path}/pruefung"
        assert await read_state(newsroom.owner, path) == ("pending", 2)
        assert (await WritingHarness(browser=browser).act(path, "freigeben")).status == 303


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/entwuerfe/{}/freigeben", "/entwuerfe/{}"),
        ("/entwuerfe/{}/veroeffentlichen", "/entwuerfe/{}"),
        ("/entwuerfe/{}", "/entwuerfe/{}"),
        ("/aussendungen/{}/anhalten", "/aussendungen/{}/anhalten"),
        ("/profil/kennwort", "/profil"),
        ("/vorschau", "/"),
    ],
)
async def test_a_form_of_a_page_that_the_browser_does_not_name_leads_to_what_is_above_it(
    stranger: EditorBrowser, path: str, page: str
) -> None:
    draft = uuid4()
    assert await press(stranger, path.format(draft), "") == page.format(draft)


@pytest.mark.parametrize(
    "page",
    [
        "https://evil.example/entwuerfe",
        "{url}.evil.example/",
        "{url}@evil.example/",
        "{url}//evil.example",
        "{url}/\\evil.example",
        "{url}/gibt-es-nicht",
        "{url}/profil/kennwort",
        "{url}/" + "x" * 1000,
        "//evil.example",
        "javascript:alert(1)",
    ],
)
async def test_no_page_but_ours_is_led_to(newsroom: NewsroomProcess, stranger: EditorBrowser, page: str) -> None:
    assert await press(stranger, "/profil/sitzungen", page.format(url=newsroom.url)) in ("/profil", "/")


async def test_what_the_page_was_asked_for_is_kept(newsroom: NewsroomProcess, stranger: EditorBrowser) -> None:
    page = f"{newsroom.url}/aussendungen?vor=2026-11-30T10%3A00%3A00%2B00%3A00&erledigt=beendet"
    assert await press(stranger, "/entwuerfe", page) == "/aussendungen?vor=2026-11-30T10:00:00%2B00:00"


async def test_whoever_asks_for_a_page_reads_nothing_of_an_act(stranger: EditorBrowser, member: Member) -> None:
    asked = await stranger.open("/konten")
    assert asked.location == "/anmelden?weiter=%2Fkonten"
    assert SAID not in await stranger.read(asked.location)
    assert SAID not in (await log_in(stranger, member.account.login, code="000000", weiter="/konten")).text


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/rueckmeldungen.csv?suche=%23wichtig", "/rueckmeldungen?suche=%23wichtig"),
        ("/auswertung.csv", "/auswertung"),
        ("/aussendungen/{}/nachweis.csv", "/aussendungen/{}/nachweis"),
        ("/aussendungen/{}/strom", "/aussendungen/{}"),
        ("/aussendungen/strom", "/aussendungen"),
    ],
)
async def test_whoever_asks_for_a_table_or_a_stream_is_led_to_its_page(
    stranger: EditorBrowser, path: str, page: str
) -> None:
    broadcast = uuid4()
    asked = urlsplit((await stranger.open(path.format(broadcast))).location)
    assert parse_qs(asked.query)["weiter"] == [page.format(broadcast)]
