"""The check of a draft, the actions that it offers, and the trial on an editor's own telephone."""

import json
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from services.newsroom.adapters.sending_control import MAX_TRIALS_PER_HOUR
from services.newsroom.domain.accounts import Role
from tests.harness.ledger_rows import set_up_number
from tests.harness.newsroom import EditorBrowser, NewsroomProcess, ShownPage
from tests.harness.writing import (
    WritingHarness,
    become_broadcast,
    count_publications,
    format_local,
    parse_draft_id,
    read_state,
)

# As if the planned time had come meanwhile.
_PASS = """
    update newsroom.draft_version set content = jsonb_set(content, '{scheduled_at}', to_jsonb($2::text))
    where draft = $1
"""


async def test_what_was_sent_in_an_emergency_is_looked_at_afterwards_by_another_person(
    anna: WritingHarness, ben: WritingHarness, approver: WritingHarness
) -> None:
    path = await anna.publish_in_emergency()
    check, broadcast = f"{path}/pruefung", await become_broadcast(anna.owner, path)
    assert (await ben.browser.open(path)).location == f"/aussendungen/{broadcast}"
    own = await anna.read(check)
    assert ("/nachpruefen" in own, "Eigene Meldungen prüft eine andere Person." in own) == (False, True)
    disagree = "Stimmt etwas nicht, korrigieren Sie die Meldung oder ziehen Sie sie zurück:"
    shown = await ben.read(check)
    for words in (">Nachträglich prüfen</h1>", "„Bombenfund“", f'{disagree} <a class="kern-link" href="{path}">Zur'):
        assert words in shown
    for words in ("kern-alert--", "Prüfung vor dem Senden", "gesendet werden", "Die Prüfung ist vermerkt."):
        assert words not in shown
    shown = await approver.read(check)
    assert (disagree in shown, "Stimmt etwas nicht, bitten Sie die Redaktion" in shown) == (False, True)

    reviewed = await ben.act(path, "nachpruefen")
    assert (reviewed.status, reviewed.location) == (303, f"{check}?erledigt=geprueft")
    shown = await ben.read(reviewed.location)
    for words in (">Nachträglich geprüft</h1>", "Die Prüfung ist vermerkt.", "nachträglich geprüft von"):
        assert words in shown
    assert re.search(r"Nachträglich geprüft von Mina m-\w+, [^<]+ Uhr\.</p>", shown)
    for words in ("/nachpruefen", "Hier ist nichts nachträglich zu prüfen.", "Was möchten", "Stimmt etwas nicht"):
        assert words not in shown


async def test_a_draft_says_which_notice_it_corrects_or_follows(anna: WritingHarness) -> None:
    path = await anna.publish_in_emergency(headline="K 8 gesperrt")
    follow_up, first = [await anna.begin_from(path, act) for act in ("folgemeldung", "korrigieren")]
    shown = await anna.read(f"{follow_up}/pruefung")
    assert "Folgemeldung zu „K 8 gesperrt“: geht an alle, die die erste bekommen haben" in shown
    for page in (shown, await anna.read(f"{follow_up}/staende")):
        assert "ganzer Landkreis" not in page
    await anna.save(first, headline="K 8 halb frei", urgent="1")
    shown = await anna.read(f"{first}/pruefung")
    assert "Korrektur der Meldung „K 8 gesperrt“" in shown
    assert "<dt>Gemeinden</dt><dd>ganzer Landkreis</dd>" in shown
    second = await anna.begin_from(await anna.publish_in_emergency(first), "korrigieren")
    shown = await anna.read(f"{second}/pruefung")
    assert "Korrektur der Meldung „K 8 halb frei“" in shown, "the newest revision is what it replaces"
    shown = await anna.read(f"{await anna.begin()}/pruefung")
    assert [words in shown for words in ("Korrektur der Meldung", "Folgemeldung")] == [False, False]


async def test_what_has_a_time_is_not_published_now(anna: WritingHarness, ben: WritingHarness) -> None:
    for scheduled_at, expected in (
        ("", "Jetzt"),
        (format_local(datetime.now(UTC) + timedelta(hours=6)), "Zum geplanten Zeitpunkt"),
    ):
        path = await anna.begin(scheduled_at=scheduled_at)
        await anna.act(path, "einreichen")
        await ben.act(path, "freigeben")
        shown = await anna.read(f"{path}/pruefung")
        found = re.findall(r">([^<>]+) veröffentlichen<", shown)
        assert found == [expected]


async def test_what_holds_a_notice_up_is_said_before_anything_else(anna: WritingHarness, ben: WritingHarness) -> None:
    await set_up_number(anna.owner)
    path = await anna.begin()
    await anna.act(path, "einreichen")
    await ben.act(path, "freigeben")
    green = "Die Meldung kann gesendet werden."
    paused = "Die Meldung kann veröffentlicht werden, geht aber erst hinaus, wenn der Versand fortgesetzt ist."
    delay = "Der Versand ist zurzeit angehalten (Übung)."
    shown = await anna.read(f"{path}/pruefung")
    assert [words in shown for words in (green, paused, delay)] == [True, False, False]
    await anna.owner.execute("update dispatcher.rate set paused_reason = 'Übung'")
    try:
        top, rest = (await anna.read(f"{path}/pruefung")).split(">Wer bekommt sie?</h2>")
        waiting = await anna.read(f"{await anna.begin()}/pruefung")
    finally:
        await anna.owner.execute("update dispatcher.rate set paused_reason = null")
    assert [words in top for words in (green, paused, delay)] == [False, True, True]
    assert delay not in rest
    assert f"{path}/veroeffentlichen" in rest
    assert [words in waiting for words in (green, paused, delay)] == [False, False, True]


async def test_whoever_may_approve_reads_that_it_is_for_them(anna: WritingHarness, ben: WritingHarness) -> None:
    path = await anna.begin()
    for is_submitted in (False, True):
        for editor in (anna, ben):
            shown = await editor.read(f"{path}/pruefung")
            is_for_me = is_submitted and editor is ben
            assert ("Die Meldung wartet auf Ihre Freigabe." in shown) == is_for_me
            assert ("Eine zweite Person muss die Meldung freigeben." in shown) != is_for_me
        await anna.act(path, "einreichen")


async def test_whoever_submitted_it_is_not_asked_to_approve_it(
    anna: WritingHarness, ben: WritingHarness, approver: WritingHarness
) -> None:
    path = await anna.begin()
    await ben.act(path, "einreichen")
    heading = ">Wartet auf Ihre Freigabe</h2>"
    shown = [(await editor.read("/")).partition(heading)[2].split("<h2")[0] for editor in (ben, approver)]
    assert [f'href="{path}/pruefung"' in section for section in shown] == [False, True]


async def test_a_second_press_where_one_approved_publishes_nothing(anna: WritingHarness, ben: WritingHarness) -> None:
    """The page that comes of it says that it is approved, and has no button that publishes, but the way to it."""
    path = await anna.begin()
    await anna.act(path, "einreichen")
    approved = await ben.act(path, "freigeben")
    assert approved.location == f"{path}?erledigt=freigegeben"
    shown = await ben.read(approved.location)
    assert "Die Meldung ist freigegeben." in shown
    assert "/veroeffentlichen" not in shown
    assert f'href="{path}/pruefung"><span class="kern-label">Zum Veröffentlichen<' in shown
    assert f"{path}/veroeffentlichen" in await ben.read(f"{path}/pruefung")
    assert await count_publications(anna.owner, path) == 0


async def test_what_was_returned_offers_nothing_but_editing(anna: WritingHarness, ben: WritingHarness) -> None:
    path = await anna.begin(urgent="1")
    await anna.act(path, "einreichen")
    assert (await ben.act(path, "zurueckgeben", {"reason": "Wann endet es?"})).status == 303
    shown = await anna.read(f"{path}/pruefung")
    assert "hat diesen Stand zurückgegeben. Bitte überarbeiten Sie ihn zuerst." in shown
    assert "Wann endet es?" in await anna.read(path)
    offered = [name for name in ("veroeffentlichen", "einreichen", "notfall") if f"{path}/{name}" in shown]
    assert (offered, f"{path}?bearbeiten=1" in shown) == ([], True)


async def test_a_reason_that_came_too_late_is_not_lost(anna: WritingHarness, ben: WritingHarness) -> None:
    words = {"reason": "Bitte nennen Sie die <Umleitung>."}
    path = await anna.begin(urgent="1")
    await anna.act(path, "einreichen")
    await anna.save(path, urgent="1", text="Die Umleitung führt über Worpswede.")
    for editor, act in ((ben, "zurueckgeben"), (anna, "notfall")):
        refused = await editor.send(path, act, 2, words)
        assert (refused.status, "„Bitte nennen Sie die &lt;Umleitung&gt;.“" in refused.text) == (409, True)
    assert "Sie hatten geschrieben" not in (await ben.send(path, "freigeben", 2)).text


async def test_what_cannot_be_sent_is_returned_and_not_approved(anna: WritingHarness, ben: WritingHarness) -> None:
    path = await anna.begin(scheduled_at=format_local(datetime.now(UTC) + timedelta(hours=2)))
    await anna.act(path, "einreichen")
    assert f"{path}/freigeben" in await ben.read(f"{path}/pruefung")
    await anna.owner.execute(_PASS, parse_draft_id(path), (datetime.now(UTC) - timedelta(hours=1)).isoformat())
    shown = await ben.read(f"{path}/pruefung")
    assert [f"{path}/{name}" in shown for name in ("freigeben", "zurueckgeben")] == [False, True]
    assert "geben Sie sie bitte mit einer Begründung zurück." in shown
    assert "mit einer Begründung" not in await anna.read(f"{path}/pruefung")
    assert (await ben.send(path, "freigeben", 2)).status == 422
    assert await read_state(anna.owner, path) == ("pending", 2)


TRIAL = "select code, text, ends_at - now() from subscriptions.trial where draft = $1"


@pytest.fixture
async def editor(browser: EditorBrowser) -> WritingHarness:
    return WritingHarness(browser=browser)


def read_code(shown: ShownPage) -> str:
    found = re.search(r"Test ([0-9]{4}) ([0-9]{4})</p>", shown.text)
    assert found, shown.text
    return found[1] + found[2]


async def read_acts(owner: asyncpg.Connection, draft: UUID) -> list[dict[str, str]]:
    acts = "select detail from newsroom.audit where action = 'draft.tried' and detail ->> 'draft' = $1 order by id"
    return [json.loads(row["detail"]) for row in await owner.fetch(acts, str(draft))]


async def test_the_code_is_for_the_version_that_was_read_and_neither_for_errors_nor_for_what_is_sent(
    editor: WritingHarness,
) -> None:
    path = await editor.begin(headline="K 9 gesperrt")
    draft = parse_draft_id(path)
    assert "Auf dem eigenen Telefon testen" in await editor.read(f"{path}/pruefung")
    shown = await editor.act(path, "testen")
    code = read_code(shown)
    ((stored, text, left),) = await editor.owner.fetch(TRIAL, draft)
    assert (shown.status, stored, "*K 9 gesperrt*" in text) == (200, code, True)
    assert 590 < left.total_seconds() <= 600
    await editor.save(path, headline="K 10 gesperrt")
    assert read_code(await editor.act(path, "testen")) != code
    ((_, text, _),) = await editor.owner.fetch(TRIAL, draft)
    assert "*K 10 gesperrt*" in text
    assert (await editor.send(path, "testen", 1)).status == 409
    await editor.save(path, headline="")
    assert "Auf dem eigenen Telefon testen" not in await editor.read(f"{path}/pruefung")
    assert (await editor.send(path, "testen", 4)).status == 422, "it has errors"
    await editor.save(path)
    await editor.owner.execute("update newsroom.draft set state = 'published' where id = $1", draft)
    assert (await editor.send(path, "testen", 5)).status == 422
    assert len(await editor.owner.fetch(TRIAL, draft)) == 1
    assert await read_acts(editor.owner, draft) == [{"draft": str(draft), "version": each} for each in "23"]


async def test_nobody_makes_codes_without_end(newsroom: NewsroomProcess, editor: WritingHarness) -> None:
    path = await editor.begin()
    for _ in range(MAX_TRIALS_PER_HOUR):
        assert (await editor.send(path, "testen", 2)).status == 200
    refused = await editor.send(path, "testen", 2)
    assert (refused.status, "in einer Stunde" in refused.text) == (422, True)
    async with newsroom.open_as(Role.EDITOR) as other:
        assert (await WritingHarness(browser=other).send(path, "testen", 2)).status == 200
