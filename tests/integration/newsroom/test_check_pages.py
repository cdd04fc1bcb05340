"""What the check says of drafts that are about another notice, and of what was sent before anybody had approved it;
and what follows it."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tests.harness.ledger_rows import set_up_number
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, add_broadcast, count_publications, format_local, read_state

# As if the planned time had come meanwhile.
_PASS = """
    update newsroom.draft_version set content = jsonb_set(content, '{scheduled_at}', to_jsonb($2::text))
    where draft = $1
"""
REVIEWED = "Die Prüfung ist vermerkt."
BUTTON = "/nachpruefen"


async def publish_in_emergency(desk: WritingDesk, **changes: str) -> str:
    path = await desk.begin(urgent="1", **changes)
    assert (await desk.send(path, "notfall", 2, {"reason": "Bombenfund"})).status == 303
    return path


async def test_what_was_sent_in_an_emergency_is_looked_at_without_blockers(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await publish_in_emergency(anna)
    broadcast = await add_broadcast(newsroom.owner)
    become = "update newsroom.publication set broadcast = $2 where draft = $1"
    await newsroom.owner.execute(become, UUID(path.split("/")[2]), broadcast)
    shown = await ben.browser.open(f"{path}/pruefung")
    assert ">Nachträglich prüfen</h1>" in shown.text
    assert "„Bombenfund“" in shown.text
    assert REVIEWED not in shown.text
    for words in ("kern-alert--danger", "kern-alert--warning", "Prüfung vor dem Senden", "gesendet werden"):
        assert words not in shown.text
    assert f'href="{path}">Zur Aussendung</a>' in shown.text
    assert (await ben.browser.open(path)).location == f"/aussendungen/{broadcast}"


async def test_a_review_is_confirmed_and_not_offered_again(anna: WritingDesk, ben: WritingDesk) -> None:
    path = await publish_in_emergency(anna)
    own = (await anna.browser.open(f"{path}/pruefung")).text
    assert (BUTTON in own, "Eigene Meldungen prüft eine andere Person." in own) == (False, True)
    reviewed = await ben.act(path, "nachpruefen")
    assert (reviewed.status, reviewed.location) == (303, f"{path}/pruefung?erledigt=geprueft")
    shown = (await ben.browser.open(reviewed.location)).text
    assert (BUTTON in shown, REVIEWED in shown, "nachträglich geprüft von" in shown) == (False, True, True)


async def test_a_correction_says_which_notice_it_corrects(anna: WritingDesk) -> None:
    path = await publish_in_emergency(anna, headline="K 8 gesperrt")
    first = (await anna.send(path, "korrigieren", 2)).location.partition("?")[0]
    await anna.save(first, headline="K 8 halb frei", urgent="1")
    shown = (await anna.browser.open(f"{first}/pruefung")).text
    assert "Korrektur der Meldung „K 8 gesperrt“" in shown
    assert "<dt>Gemeinden</dt><dd>ganzer Landkreis</dd>" in shown
    assert (await anna.send(first, "notfall", 2, {"reason": "Eilt."})).status == 303
    second = (await anna.send(first, "korrigieren", 2)).location.partition("?")[0]
    shown = (await anna.browser.open(f"{second}/pruefung")).text
    assert "Korrektur der Meldung „K 8 halb frei“" in shown, "the newest revision is what it replaces"


async def test_a_follow_up_says_to_whom_it_goes(anna: WritingDesk) -> None:
    path = await publish_in_emergency(anna, headline="K 7 gesperrt")
    follow_up = (await anna.send(path, "folgemeldung", 2)).location.partition("?")[0]
    shown = (await anna.browser.open(f"{follow_up}/pruefung")).text
    assert "Folgemeldung zu „K 7 gesperrt“: geht an alle, die die erste bekommen haben" in shown
    for page in (f"{follow_up}/pruefung", f"{follow_up}/staende"):
        assert "ganzer Landkreis" not in (await anna.browser.open(page)).text


async def test_a_new_notice_is_neither(anna: WritingDesk) -> None:
    shown = (await anna.browser.open(f"{await anna.begin()}/pruefung")).text
    assert [words in shown for words in ("Korrektur der Meldung", "Folgemeldung")] == [False, False]


async def test_what_has_a_time_is_not_published_now(anna: WritingDesk, ben: WritingDesk) -> None:
    for scheduled_at, expected in (
        ("", "Jetzt"),
        (format_local(datetime.now(UTC) + timedelta(hours=6)), "Zum geplanten Zeitpunkt"),
    ):
        path = await anna.begin(scheduled_at=scheduled_at)
        await anna.act(path, "einreichen")
        await ben.act(path, "freigeben")
        shown = (await anna.browser.open(f"{path}/pruefung")).text
        found = re.findall(r">([^<>]+) veröffentlichen<", shown)
        assert found == [expected]


async def test_what_holds_a_notice_up_is_said_before_anything_else(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    await set_up_number(newsroom.owner)
    path = await anna.begin()
    await anna.act(path, "einreichen")
    await ben.act(path, "freigeben")
    green = "Die Meldung kann gesendet werden."
    held = "Die Meldung kann veröffentlicht werden, geht aber erst hinaus, wenn der Versand fortgesetzt ist."
    delay = "Der Versand ist zurzeit angehalten (Übung)."
    shown = (await anna.browser.open(f"{path}/pruefung")).text
    assert [words in shown for words in (green, held, delay)] == [True, False, False]
    await newsroom.owner.execute("update dispatcher.rate set paused_reason = 'Übung'")
    try:
        top, rest = (await anna.browser.open(f"{path}/pruefung")).text.split(">Wer bekommt sie?</h2>")
        waiting = (await anna.browser.open(f"{await anna.begin()}/pruefung")).text
    finally:
        await newsroom.owner.execute("update dispatcher.rate set paused_reason = null")
    assert [words in top for words in (green, held, delay)] == [False, True, True]
    assert delay not in rest
    assert f"{path}/veroeffentlichen" in rest
    assert [words in waiting for words in (green, held, delay)] == [False, False, True]


async def test_whoever_may_approve_reads_that_it_is_for_them(anna: WritingDesk, ben: WritingDesk) -> None:
    path = await anna.begin()
    for is_submitted in (False, True):
        for desk in (anna, ben):
            shown = (await desk.browser.open(f"{path}/pruefung")).text
            is_for_me = is_submitted and desk is ben
            assert ("Die Meldung wartet auf Ihre Freigabe." in shown) == is_for_me
            assert ("Eine zweite Person muss die Meldung freigeben." in shown) != is_for_me
        await anna.act(path, "einreichen")


async def test_a_second_press_where_one_approved_publishes_nothing(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    """The page that comes of it says that it is approved, and has no button that publishes, but the way to it."""
    path = await anna.begin()
    await anna.act(path, "einreichen")
    approved = await ben.act(path, "freigeben")
    assert approved.location == f"{path}?erledigt=freigegeben"
    shown = (await ben.browser.open(approved.location)).text
    assert "Die Meldung ist freigegeben." in shown
    assert "/veroeffentlichen" not in shown
    assert f'href="{path}/pruefung"><span class="kern-label">Zum Veröffentlichen<' in shown
    assert f"{path}/veroeffentlichen" in (await ben.browser.open(f"{path}/pruefung")).text
    assert await count_publications(newsroom.owner, path) == 0


async def test_what_was_returned_offers_nothing_but_editing(anna: WritingDesk, ben: WritingDesk) -> None:
    path = await anna.begin(urgent="1")
    await anna.act(path, "einreichen")
    assert (await ben.act(path, "zurueckgeben", {"reason": "Wann endet es?"})).status == 303
    shown = (await anna.browser.open(f"{path}/pruefung")).text
    assert "hat diesen Stand zurückgegeben. Bitte überarbeiten Sie ihn zuerst." in shown
    offered = [name for name in ("veroeffentlichen", "einreichen", "notfall") if f"{path}/{name}" in shown]
    assert (offered, f"{path}?bearbeiten=1" in shown) == ([], True)


async def test_what_cannot_be_sent_is_returned_and_not_approved(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await anna.begin(scheduled_at=format_local(datetime.now(UTC) + timedelta(hours=2)))
    await anna.act(path, "einreichen")
    assert f"{path}/freigeben" in (await ben.browser.open(f"{path}/pruefung")).text
    await newsroom.owner.execute(_PASS, UUID(path.split("/")[2]), (datetime.now(UTC) - timedelta(hours=1)).isoformat())
    shown = (await ben.browser.open(f"{path}/pruefung")).text
    assert [f"{path}/{name}" in shown for name in ("freigeben", "zurueckgeben")] == [False, True]
    assert "geben Sie sie bitte mit einer Begründung zurück." in shown
    assert "mit einer Begründung" not in (await anna.browser.open(f"{path}/pruefung")).text
    assert (await ben.send(path, "freigeben", 2)).status == 422
    assert await read_state(newsroom.owner, path) == ("pending", 2)
