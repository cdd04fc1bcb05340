"""What is on record of a notice that was sent in an emergency: who sent it, why, and who looked at it afterwards."""

import re
from uuid import UUID

from services.newsroom.domain.archive import derive_code, format_code
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, become_broadcast


async def send(desk: WritingDesk) -> str:
    path = await desk.begin(urgent="1")
    assert (await desk.send(path, "notfall", 2, {"reason": "Bombenfund <1>"})).status == 303
    return path


async def test_the_history_says_that_nobody_was_asked(anna: WritingDesk) -> None:
    path = await send(anna)
    for page in (path, f"{path}/pruefung", f"{path}/staende"):
        shown = (await anna.browser.open(page)).text
        assert "Stand 2 im Notfall ohne Freigabe gesendet von" in shown
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


async def test_the_certificate_as_a_table_says_who_approved(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await anna.begin()
    await anna.act(path, "einreichen")
    await ben.act(path, "freigeben")
    await anna.act(path, "veroeffentlichen")
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
