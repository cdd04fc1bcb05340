"""Two corrections of one notice, in browsers: whoever comes second is told before theirs replaces the first one."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.newsroom.adapters.http.rendering import format_moment
from services.newsroom.domain.drafts import OVERTAKEN, UNCHANGED
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, build_fields, count_publications, format_local

_MAKE_PAST = """
    update newsroom.draft_version set content = content || jsonb_build_object('scheduled_at', now() - interval '1 hour')
    where draft = $1
"""


async def publish(writer: WritingDesk, approver: WritingDesk, path: str) -> None:
    await writer.act(path, "einreichen")
    await approver.act(path, "freigeben")
    assert (await writer.act(path, "veroeffentlichen")).status == 303


async def begin_correction(desk: WritingDesk, path: str) -> str:
    return (await desk.send(path, "korrigieren", 2)).location.partition("?")[0]


async def test_the_correction_of_what_is_planned_keeps_its_time(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    planned = format_local(datetime.now(UTC) + timedelta(hours=12))
    path = await anna.begin(scheduled_at=planned)
    await publish(anna, ben, path)
    assert f'value="{planned}"' in (await anna.browser.open(await begin_correction(anna, path))).text
    await newsroom.owner.execute(_MAKE_PAST, UUID(path.split("/")[2]))
    assert f'value="{planned}"' not in (await anna.browser.open(await begin_correction(anna, path))).text


async def test_a_correction_that_was_begun_by_mistake_sends_nobody_the_same_once_more(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await anna.begin(headline="K 4 gesperrt", urgent="1")
    await publish(anna, ben, path)
    begun = await begin_correction(anna, path)
    shown = await anna.browser.open(begun)
    assert "Schreiben Sie dazu, was sich geändert hat." in shown.text
    fields = build_fields(headline="K 4 gesperrt", urgent="1", expires_at=shown.read_value("expires_at"))
    saved = await anna.browser.send(begun, {**fields, "version": 1, "then": "check"}, csrf=shown.csrf)
    assert (saved.status, saved.location) == (303, f"{begun}/pruefung")
    check = (await anna.browser.open(saved.location)).text
    assert UNCHANGED in check
    for name in ("veroeffentlichen", "einreichen", "notfall", "testen"):
        assert f"{begun}/{name}" not in check
    for name in ("veroeffentlichen", "einreichen", "notfall"):
        refused = await anna.send(begun, name, 1, {"reason": "Bombenfund"})
        assert (refused.status, UNCHANGED in refused.text) == (422, True), name
    assert await count_publications(newsroom.owner, begun) == 0
    await anna.browser.send(begun, {**fields, "text": "Bis Freitag.", "version": 1}, csrf=shown.csrf)
    assert UNCHANGED not in (await anna.browser.open(f"{begun}/pruefung")).text
    await publish(anna, ben, begun)


async def test_whoever_approves_a_correction_sees_what_is_changed_beside_what_was_published(
    anna: WritingDesk, ben: WritingDesk
) -> None:
    before, after = [datetime.now(UTC) + timedelta(days=days) for days in (1, 2)]
    path = await anna.begin(text="Bis Freitag.", expires_at=format_local(before), municipalities="Grasberg")
    await publish(anna, ben, path)
    begun = await begin_correction(anna, path)
    await anna.save(begun, text="Bis Samstag.", expires_at=format_local(after), municipalities="Grasberg")
    await anna.act(begun, "einreichen")
    shown = (await ben.browser.open(f"{begun}/pruefung")).text
    assert f'href="{path}">Korrektur der Meldung „K 9 gesperrt“</a>' in shown
    assert ">Geändert: Text, Gültig bis</p>" in shown
    published = shown.partition(">Bisher veröffentlicht</h2>")[2].partition("</aside>")[0]
    for words in ("K 9 gesperrt", "Bis Freitag.", format_moment(before), "Grasberg"):
        assert words in published
    assert "Geändert:" not in (await ben.browser.open(f"{await ben.begin()}/pruefung")).text


async def test_whoever_corrects_second_is_told_of_the_first_correction(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await anna.begin()
    await publish(anna, ben, path)
    first, second = await begin_correction(anna, path), await begin_correction(ben, path)
    shown = await ben.browser.open(second)
    await anna.save(first, text="Von Anna.")
    await publish(anna, ben, first)

    # The page that Ben has opened before saves by itself, which tells him nothing.
    typed = build_fields(text="Von Ben.")
    saved = await ben.browser.send(second, {**typed, "version": 1, "then": "autosave"}, csrf=shown.csrf)
    assert saved.status == 200, saved.text
    assert OVERTAKEN in (await ben.browser.open(f"{second}/pruefung")).text
    assert (await anna.send(second, "freigeben", 2)).status == 422
    refused = await ben.send(second, "veroeffentlichen", 2)
    assert (refused.status, OVERTAKEN in refused.text) == (422, True)

    gone_on = await ben.browser.send(second, {**typed, "version": 2, "then": "check"}, csrf=shown.csrf)
    told = await ben.browser.open(gone_on.location)
    assert OVERTAKEN in told.text
    again = {**typed, "version": told.read_value("version"), "then": "check"}
    assert (await ben.browser.send(second, again, csrf=shown.csrf)).location == f"{second}/pruefung"
    await publish(ben, anna, second)
    assert await count_publications(newsroom.owner, second) == 1
