"""Page and certificate of a broadcast: what citizens got, who wanted it, and the broadcasts that belong to it."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.newsroom.domain.accounts import Role
from services.newsroom.domain.archive import derive_code, format_code
from tests.harness.ledger_rows import add_expansion, add_sent_broadcast
from tests.harness.newsroom import EditorBrowser, NewsroomProcess, ShownPage
from tests.harness.writing import WritingHarness, add_broadcast, become_broadcast, parse_draft_id
from tests.servers import WAIT_TIMEOUT_SECONDS


async def read_certificate(editor: WritingHarness, broadcast: UUID) -> tuple[dict[str, str], dict[str, str]]:
    """Return what is said by each name: on the page, and in the table."""
    page = await editor.read(f"/aussendungen/{broadcast}/nachweis")
    table = await editor.read(f"/aussendungen/{broadcast}/nachweis.csv")
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page))
    return facts, dict(line.split(";", 1) for line in table.splitlines())


async def test_everybody_sees_the_code_that_citizens_get(anna: WritingHarness, ben: WritingHarness) -> None:
    path = await anna.begin(urgent="1", text="Die Brücke ist gesperrt.")
    assert "ABCD-EFGH" in await anna.read(f"{path}/pruefung")
    await anna.publish_in_emergency(path)
    find = "select id from newsroom.publication where draft = $1"
    code = format_code(derive_code(await anna.owner.fetchval(find, parse_draft_id(path))))
    shown = [await anna.read(path), await ben.read(f"{path}/pruefung")]
    broadcast = await become_broadcast(anna.owner, path)
    for page in (*shown, await anna.read(f"/aussendungen/{broadcast}")):
        assert f'Die Brücke ist gesperrt. Prüfcode: <span class="nw-code">{code}</span>' in page
        assert "ABCD-EFGH" not in page
    assert f"{path}/staende" in page
    for facts in await read_certificate(anna, broadcast):
        assert (facts["Prüfcode"], facts["Herausgeber"]) == (code, "Landkreis Osterholz")
        assert {"Gemeinden", "Gültig bis", "Text"} <= facts.keys()


@pytest.mark.parametrize("act", ["korrigieren", "folgemeldung"])
async def test_a_notice_and_what_came_later_lead_to_each_other(anna: WritingHarness, act: str) -> None:
    path, is_same = await anna.publish_in_emergency(), act == "korrigieren"
    first = await become_broadcast(anna.owner, path)
    later = await anna.begin_from(path, act)
    find = "select notice from newsroom.draft where id = $1"
    notice = await anna.owner.fetchval(find, parse_draft_id(path if is_same else later))
    second = await add_broadcast(
        anna.owner,
        source="/landkreis-osterholz/redaktion",
        notice=notice,
        revision=2 if is_same else 1,
        headline="Später",
        accepted_at=datetime.now(UTC) + timedelta(hours=1),
    )
    before, after = [await anna.read(f"/aussendungen/{each}") for each in (first, second)]
    assert f'href="/aussendungen/{second}">Später</a>' in before
    assert ("Korrektur, 2. Fassung" if is_same else "Folgemeldung, 1. Fassung") in before
    assert f'href="/aussendungen/{first}">' in after
    assert (f"{path}/korrigieren" in before) != is_same
    assert ("Es gibt eine neuere Fassung" in before) == is_same
    assert ("frühere Fassung" if is_same else "Meldung, auf die diese folgt") in after


async def test_a_correction_after_the_follow_up_does_not_follow_it(anna: WritingHarness) -> None:
    path = await anna.publish_in_emergency()
    first = await become_broadcast(anna.owner, path)
    find = "select notice from newsroom.draft where id = $1"
    notices = [
        await anna.owner.fetchval(find, parse_draft_id(each))
        for each in (path, await anna.begin_from(path, "folgemeldung"))
    ]
    told = {"source": "/landkreis-osterholz/redaktion", "accepted_at": datetime.now(UTC) + timedelta(hours=1)}
    follow_up = await add_broadcast(anna.owner, **{**told, "notice": notices[1], "headline": "Folge"})
    told["accepted_at"] = datetime.now(UTC) + timedelta(hours=2)
    second = await add_broadcast(anna.owner, **{**told, "notice": notices[0], "revision": 2})
    labels = {}
    for each in (first, second, follow_up):
        page = (await anna.read(f"/aussendungen/{each}")).split(">Gehört dazu</h3>")[1].split("</ul>")[0]
        labels[each] = dict(re.findall(r'aussendungen/([^"]+)">.*?small">([^<]*?), \d\. Fassung', page, re.DOTALL))
    assert labels[second] == {str(first): "frühere Fassung", str(follow_up): "Folgemeldung"}
    assert labels[follow_up] == {str(each): "Meldung, auf die diese folgt" for each in (first, second)}


async def test_a_planned_revision_that_was_replaced_is_not_shown_as_sent(anna: WritingHarness) -> None:
    at = datetime(2026, 12, 24, 15, tzinfo=UTC)
    never: dict[str, Any] = {"started_at": None, "states": "{}", "scheduled_at": at, "notice": "n-plan"}
    accepted = datetime(2026, 11, 1, 8, tzinfo=UTC)
    await add_broadcast(anna.owner, accepted_at=accepted, cancelled_at=accepted, **never)
    later = accepted + timedelta(hours=1)
    second = await add_broadcast(anna.owner, accepted_at=later, revision=2, **never)
    related = (await anna.read(f"/aussendungen/{second}")).split(">Gehört dazu</h3>")[1].split("</ul>")[0]
    assert "frühere Fassung, 1. Fassung · war geplant für 24.12.2026, 16:00 Uhr</p>" in related
    assert "01.11.2026" not in related


async def test_what_is_sent_does_not_say_that_it_will_be_sent_at_once(anna: WritingHarness) -> None:
    at_once = "sofort nach dem Veröffentlichen"
    assert at_once in await anna.read(f"{await anna.begin()}/pruefung")
    path = await anna.publish_in_emergency()
    broadcast = await become_broadcast(anna.owner, path)
    for page in (f"/aussendungen/{broadcast}", f"{path}/pruefung", f"{path}/staende"):
        shown = await anna.read(page)
        assert (at_once in shown, "<dt>Gültig bis</dt>" in shown) == (False, True)


async def test_the_broadcast_of_another_system_shows_what_events_have_told(anna: WritingHarness) -> None:
    broadcast = await add_broadcast(anna.owner, headline="Von nebenan", notice="presse-<17>")
    page = await anna.read(f"/aussendungen/{broadcast}")
    assert ("ein anderes Fachverfahren" in page, "Die Meldung</h2>" in page) == (True, False)
    assert "Kennung der Meldung: presse-&lt;17&gt;" in page, "for the command line"
    assert "Prüfcode" not in await anna.read(f"/aussendungen/{broadcast}/nachweis")


@pytest.mark.parametrize(("audience", "words"), [(1, "0 von 1 Person<"), (2, "0 von 2 Personen<")])
async def test_one_person_is_singular(anna: WritingHarness, audience: int, words: str) -> None:
    await add_broadcast(anna.owner, audience=audience, states="{}")
    assert words in await anna.read("/aussendungen")


async def test_broadcast_and_certificate_say_that_nobody_was_asked_and_who_looked_at_it_afterwards(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    path = await anna.publish_in_emergency(reason="Bombenfund <1>")
    for each in (path, f"{path}/pruefung", f"{path}/staende"):
        shown = await anna.read(each)
        assert ("im Notfall veröffentlicht von" in shown, "zur Freigabe gegeben" in shown) == (True, False)
    broadcast = await become_broadcast(anna.owner, path)
    page = f"/aussendungen/{broadcast}"
    own, other = [await editor.read(page) for editor in (anna, ben)]
    link = f'href="{path}/pruefung">Noch nicht nachträglich geprüft</a>'
    for shown in (own, other):
        assert "Im Notfall ohne Freigabe gesendet: „Bombenfund &lt;1&gt;“" in shown
        assert "Noch nicht nachträglich geprüft" in shown
    assert (link in own, link in other) == (False, True), "own messages are reviewed by somebody else"
    facts, table = await read_certificate(anna, broadcast)
    assert (facts["Grund des Notfalls"], table["Grund des Notfalls"]) == ("Bombenfund &lt;1&gt;", "Bombenfund <1>")
    for told in (facts, table):
        assert (told["Freigabe"], told["Nachträglich geprüft"]) == ("keine: im Notfall gesendet", "noch nicht")
        assert told["Im Notfall gesendet"].startswith("Mina m-")

    assert (await ben.act(path, "nachpruefen")).status == 303
    for editor in (anna, ben):
        shown = await editor.read(page)
        assert re.search(r"Nachträglich geprüft von Mina m-\w+, [^<]+ Uhr\.</p>", shown)
        assert "Noch nicht" not in shown
    for told in await read_certificate(anna, broadcast):
        assert re.fullmatch(r"Mina m-\w+, [^,]+, \d\d:\d\d Uhr", told["Nachträglich geprüft"])
        assert told["Nachträglich geprüft"].split(",")[0] != told["Im Notfall gesendet"].split(",")[0]


async def test_the_certificate_adds_up_and_is_no_formula(anna: WritingHarness) -> None:
    broadcast = await add_broadcast(anna.owner, headline="=1+1")
    table = await anna.browser.open(f"/aussendungen/{broadcast}/nachweis.csv")
    assert table.headers["Content-Disposition"] == f'attachment; filename="nachweis-{broadcast}.csv"'
    facts, rows = await read_certificate(anna, broadcast)
    assert (facts["Überschrift"], rows["Überschrift"]) == ("=1+1", "'=1+1")
    assert (rows["Empfänger"], rows["zugestellt"], rows["warten noch"]) == ("10", "6", "4")


async def test_the_certificate_says_who_approved_whatever_becomes_of_them(
    newsroom: NewsroomProcess, anna: WritingHarness
) -> None:
    member = await newsroom.add_member(Role.APPROVER)
    async with newsroom.open_browser(member) as browser:
        path = await anna.publish(WritingHarness(browser=browser))
    broadcast = await become_broadcast(newsroom.owner, path, headline=None)
    for roles in ("approver", "lead"):
        await newsroom.owner.execute("update newsroom.account set roles = $2 where id = $1", member.account.id, [roles])
        for facts in await read_certificate(anna, broadcast):
            assert facts["Freigegeben"].startswith(member.account.name)
            assert facts["Verfasst"].startswith("Mina m-")
    assert "gilt nicht" not in await anna.read(f"{path}/pruefung")
    shown = await anna.read(f"/aussendungen/{broadcast}")
    assert ("Notfall" in shown, "achträglich" in shown) == (False, False)


async def test_a_certificate_is_printed_without_the_shadows_of_what_scrolls(anna: WritingHarness) -> None:
    broadcast = await add_broadcast(anna.owner)
    page = await anna.read(f"/aussendungen/{broadcast}/nachweis")
    (sheet,) = re.findall(r'href="([^"]+/newsroom\.css)"', page)
    printed = (await anna.read(sheet)).split("@media print {")[1].split("\n}\n")[0]
    assert "background: none;" in printed.split(".nr-scroll {")[1].split("}")[0]


async def test_the_stream_and_the_certificate_of_what_was_withdrawn_before_its_start_have_an_end(
    newsroom: NewsroomProcess, anna: WritingHarness
) -> None:
    never = {"started_at": None, "states": "{}", "cancelled_at": datetime.now(UTC)}
    broadcast = await add_broadcast(newsroom.owner, headline=None, notice=None, **never)
    path = f"{newsroom.url}/aussendungen/{broadcast}"
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS), anna.browser.session.get(f"{path}/strom") as told:
        assert "event: end" in (await told.content.read()).decode()
    assert "Nachweis: Aussendung" in await anna.read(f"/aussendungen/{broadcast}/nachweis")
    _, table = await read_certificate(anna, broadcast)
    assert (table["nicht mehr gesendet"], "warten noch" in table) == ("10", False)


async def stop(browser: EditorBrowser, path: str, how: str = "anhalten") -> ShownPage:
    return await browser.fill_in(f"{path}/{how}", f"{path}/{how}", reason="Falsche Uhrzeit")


async def test_what_is_ended_while_all_of_it_waits_at_the_broker_is_ended_once_and_nobody_waits_for_it(
    operator: EditorBrowser,
) -> None:
    """The ledger has nothing to tell of it as long as all sending is paused."""
    broadcast = await add_broadcast(operator.owner, states="{}")
    await add_expansion(operator.owner, broadcast, "expanded")
    path = f"/aussendungen/{broadcast}"
    assert [(await stop(operator, path, "beenden")).status for _ in range(2)] == [303, 422]
    page = await operator.read(path)
    assert ("nicht mehr gesendet" in page, "warten noch" in page) == (True, False)


async def test_what_is_planned_says_so_and_is_not_ended_but_withdrawn(operator: EditorBrowser) -> None:
    never: dict[str, Any] = {"started_at": None, "states": "{}"}
    taken = await add_broadcast(operator.owner, **never)
    assert ">angenommen</span>" in await operator.read(f"/aussendungen/{taken}")
    broadcast = await add_broadcast(operator.owner, scheduled_at=datetime.now(UTC) + timedelta(hours=1), **never)
    await add_expansion(operator.owner, broadcast, "scheduled")
    path = f"/aussendungen/{broadcast}"
    page = await operator.read(path)
    assert (">geplant</span>" in page, f"{path}/beenden" in page) == (True, False)
    refused = await stop(operator, path, "beenden")
    assert (refused.status, "Zurückziehen kann" in refused.text, "können Sie" in refused.text) == (422, True, False)


async def test_what_has_begun_waits_while_all_sending_is_paused_and_says_so(operator: EditorBrowser) -> None:
    """The ledger does not know of it yet: pages come when sending goes on."""
    broadcast = await add_broadcast(operator.owner, notice=uuid4().hex, states="{}")
    ended = await add_broadcast(operator.owner, states='{"delivered": 10}', finished_at=datetime.now(UTC))
    path = f"/aussendungen/{broadcast}"
    assert ">wird gesendet</span>" in await operator.read(path)
    assert "noch nicht begonnen" in (await stop(operator, path)).text
    await operator.owner.execute("select dispatcher.pause_sending('Übung <1>', null)")
    try:
        shown = await operator.read(path)
        assert (">wartet</span>" in shown, ">wird gesendet</span>" in shown) == (True, False)
        assert shown.count("Der gesamte Versand ist angehalten.") == 1
        assert "Grund: Übung &lt;1&gt;" in shown
        refused = await stop(operator, path)
        words = "auch diese Aussendung wartet. Sie können sie beenden; wer die Meldung geschrieben hat, kann sie"
        assert (refused.status, f"{words} zurückziehen." in refused.text) == (422, True)
        assert "schon lange" not in refused.text
        known = await add_sent_broadcast(operator.owner, {"waiting": 2, "delivered": 1})
        assert ">wartet</span>" in await operator.read(f"/aussendungen/{known}")
        assert ">abgeschlossen</span>" in await operator.read(f"/aussendungen/{ended}")
        assert "schon lange vorbei" in (await stop(operator, f"/aussendungen/{ended}")).text
    finally:
        await operator.owner.execute("select dispatcher.resume_sending(null)")
    assert ">wird gesendet</span>" in await operator.read(path)
    never = await add_broadcast(operator.owner, states="{}", started_at=None, cancelled_at=datetime.now(UTC))
    assert "schon beendet" in (await stop(operator, f"/aussendungen/{never}")).text
