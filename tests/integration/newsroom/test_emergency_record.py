"""What is on record of a notice that was sent in an emergency: who sent it, why, and who looked at it afterwards."""

import re
from uuid import UUID

from services.newsroom.domain.accounts import Role
from services.newsroom.domain.archive import derive_code, format_code
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, become_broadcast


async def send(desk: WritingDesk) -> str:
    path = await desk.begin(urgent="1")
    assert (await desk.send(path, "notfall", 2, {"reason": "Bombenfund <1>"})).status == 303
    return path


async def publish_approved(anna: WritingDesk, ben: WritingDesk) -> str:
    path = await anna.begin()
    await anna.act(path, "einreichen")
    await ben.act(path, "freigeben")
    await anna.act(path, "veroeffentlichen")
    return path


async def test_the_history_says_that_nobody_was_asked(anna: WritingDesk) -> None:
    path = await send(anna)
    for page in (path, f"{path}/pruefung", f"{path}/staende"):
        shown = (await anna.browser.open(page)).text
        assert "Stand 2 im Notfall veröffentlicht von" in shown
        assert "zur Freigabe gegeben" not in shown
    approved = await anna.begin()
    await anna.act(approved, "einreichen")
    assert "Stand 2 zur Freigabe gegeben von" in (await anna.browser.open(f"{approved}/pruefung")).text


async def test_the_certificate_says_why_and_who_looked_at_it_afterwards(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await send(anna)
    broadcast = await become_broadcast(newsroom.owner, path)

    async def read() -> tuple[dict[str, str], dict[str, str]]:
        page = (await anna.browser.open(f"/aussendungen/{broadcast}/nachweis")).text
        table = (await anna.browser.open(f"/aussendungen/{broadcast}/nachweis.csv")).text
        facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page))
        return facts, dict(line.split(";", 1) for line in table.splitlines())

    facts, table = await read()
    assert (facts["Grund des Notfalls"], table["Grund des Notfalls"]) == ("Bombenfund &lt;1&gt;", "Bombenfund <1>")
    for shown in (facts, table):
        assert shown["Freigabe"] == "keine: im Notfall gesendet"
        assert shown["Im Notfall gesendet"].startswith("Mina m-")
        assert shown["Nachträglich geprüft"] == "noch nicht"
    assert (await ben.act(path, "nachpruefen")).status == 303
    for shown in await read():
        assert re.fullmatch(r"Mina m-\w+, [^,]+, \d\d:\d\d Uhr", shown["Nachträglich geprüft"])
        assert shown["Nachträglich geprüft"].split(",")[0] != shown["Im Notfall gesendet"].split(",")[0]


async def test_the_broadcast_says_that_nobody_was_asked_and_who_looked_at_it_afterwards(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await send(anna)
    page = f"/aussendungen/{await become_broadcast(newsroom.owner, path)}"
    own, other = [(await desk.browser.open(page)).text for desk in (anna, ben)]
    link = f'href="{path}/pruefung">Noch nicht nachträglich geprüft</a>'
    for shown in (own, other):
        assert "Im Notfall ohne Freigabe gesendet: „Bombenfund &lt;1&gt;“" in shown
        assert "Noch nicht nachträglich geprüft" in shown
    assert (link in own, link in other) == (False, True), "own messages are reviewed by somebody else"
    assert (await ben.act(path, "nachpruefen")).status == 303
    for desk in (anna, ben):
        shown = (await desk.browser.open(page)).text
        assert re.search(r"Nachträglich geprüft von Mina m-\w+, [^<]+ Uhr\.</p>", shown)
        assert "Noch nicht" not in shown


async def test_a_broadcast_that_was_approved_says_nothing_of_an_emergency(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await publish_approved(anna, ben)
    shown = (await ben.browser.open(f"/aussendungen/{await become_broadcast(newsroom.owner, path)}")).text
    assert ("Notfall" in shown, "achträglich" in shown) == (False, False)


async def test_a_review_is_headed_by_what_it_is_and_shows_a_way_for_whoever_disagrees(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await send(anna)
    disagree = "Stimmt etwas nicht, korrigieren Sie die Meldung oder ziehen Sie sie zurück:"
    shown = (await ben.browser.open(f"{path}/pruefung")).text
    assert ">Nachträglich prüfen</h1>" in shown
    assert f'{disagree} <a class="kern-link" href="{path}">Zur Aussendung</a>' in shown
    async with newsroom.open_browser(await newsroom.add_member(Role.APPROVER)) as browser:
        shown = (await browser.open(f"{path}/pruefung")).text
        assert (disagree in shown, "Stimmt etwas nicht, bitten Sie die Redaktion" in shown) == (False, True)
    shown = (await ben.browser.open((await ben.act(path, "nachpruefen")).location)).text
    assert ">Nachträglich geprüft</h1>" in shown
    assert re.search(r"Nachträglich geprüft von Mina m-\w+, [^<]+ Uhr\.</p>", shown)
    for words in ("Hier ist nichts nachträglich zu prüfen.", "Was möchten Sie tun?", "Stimmt etwas nicht"):
        assert words not in shown


async def test_the_certificate_as_a_table_says_who_approved(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await publish_approved(anna, ben)
    table = (await anna.browser.open(f"/aussendungen/{await become_broadcast(newsroom.owner, path)}/nachweis.csv")).text
    assert "\nFreigegeben;Mina m-" in table
    assert "\nVerfasst;Mina m-" in table
    assert "Notfall" not in table


async def test_whoever_reviews_sees_the_code_that_citizens_got(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await send(anna)
    find = "select id from newsroom.publication where draft = $1"
    publication = await newsroom.owner.fetchval(find, UUID(path.split("/")[2]))
    shown = (await ben.browser.open(f"{path}/pruefung")).text
    assert f'Prüfcode: <span class="nw-code">{format_code(derive_code(publication))}</span>' in shown
    assert "ABCD-EFGH" not in shown
