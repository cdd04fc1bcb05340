"""Drafts that are begun from a notice: once each, not by mistake, and not over what another has corrected meanwhile."""

from datetime import UTC, datetime, timedelta

import pytest

from services.newsroom.domain.drafts import OVERTAKEN, UNCHANGED
from services.newsroom.http.rendering import format_moment
from tests.harness.writing import (
    WritingHarness,
    build_fields,
    count_publications,
    format_local,
    parse_draft_id,
    read_state,
)

_MAKE_PAST = """
    update newsroom.draft_version set content = content || jsonb_build_object('scheduled_at', now() - interval '1 hour')
    where draft = $1
"""


async def test_the_correction_of_what_is_planned_keeps_its_time(anna: WritingHarness, ben: WritingHarness) -> None:
    planned = format_local(datetime.now(UTC) + timedelta(hours=12))
    path = await anna.publish(ben, scheduled_at=planned)
    assert f'value="{planned}"' in await anna.read(await anna.begin_from(path, "korrigieren"))
    await anna.owner.execute(_MAKE_PAST, parse_draft_id(path))
    assert f'value="{planned}"' not in await anna.read(await anna.begin_from(path, "korrigieren"))


async def test_a_correction_that_was_begun_by_mistake_sends_nobody_the_same_once_more(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    path = await anna.publish(ben, headline="K 4 gesperrt", urgent="1")
    begun = await anna.begin_from(path, "korrigieren")
    shown = await anna.browser.open(begun)
    assert "Schreiben Sie dazu, was sich geändert hat." in shown.text
    fields = build_fields(headline="K 4 gesperrt", urgent="1", expires_at=shown.read_value("expires_at"))
    saved = await anna.browser.send(begun, {**fields, "version": 1, "then": "check"}, csrf=shown.csrf)
    assert (saved.status, saved.location) == (303, f"{begun}/pruefung")
    check = await anna.read(saved.location)
    assert UNCHANGED in check
    for name in ("veroeffentlichen", "einreichen", "notfall", "testen"):
        assert f"{begun}/{name}" not in check
    for name in ("veroeffentlichen", "einreichen", "notfall"):
        refused = await anna.send(begun, name, 1, {"reason": "Bombenfund"})
        assert (refused.status, UNCHANGED in refused.text) == (422, True), name
    assert await count_publications(anna.owner, begun) == 0
    await anna.browser.send(begun, {**fields, "text": "Bis Freitag.", "version": 1}, csrf=shown.csrf)
    assert UNCHANGED not in await anna.read(f"{begun}/pruefung")
    await anna.publish(ben, begun)


async def test_whoever_approves_a_correction_sees_what_is_changed_beside_what_was_published(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    before, after = [datetime.now(UTC) + timedelta(days=days) for days in (1, 2)]
    path = await anna.publish(ben, text="Bis Freitag.", expires_at=format_local(before), municipalities="Grasberg")
    begun = await anna.begin_from(path, "korrigieren")
    await anna.save(begun, text="Bis Samstag.", expires_at=format_local(after), municipalities="Grasberg")
    await anna.act(begun, "einreichen")
    shown = await ben.read(f"{begun}/pruefung")
    assert f'href="{path}">Korrektur der Meldung „K 9 gesperrt“</a>' in shown
    assert ">Geändert: Text, Gültig bis</p>" in shown
    published = shown.partition(">Bisher veröffentlicht</h2>")[2].partition("</aside>")[0]
    for words in ("K 9 gesperrt", "Bis Freitag.", format_moment(before), "Grasberg"):
        assert words in published
    assert "Geändert:" not in await ben.read(f"{await ben.begin()}/pruefung")


async def test_whoever_corrects_second_is_told_of_the_first_correction(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    path = await anna.publish(ben)
    first, second = [await editor.begin_from(path, "korrigieren") for editor in (anna, ben)]
    shown = await ben.browser.open(second)
    await anna.save(first, text="Von Anna.")
    await anna.publish(ben, first)

    # The page that Ben has opened before saves by itself, which tells him nothing.
    typed = build_fields(text="Von Ben.")
    saved = await ben.browser.send(second, {**typed, "version": 1, "then": "autosave"}, csrf=shown.csrf)
    assert saved.status == 200, saved.text
    assert OVERTAKEN in await ben.read(f"{second}/pruefung")
    assert (await anna.send(second, "freigeben", 2)).status == 422
    refused = await ben.send(second, "veroeffentlichen", 2)
    assert (refused.status, OVERTAKEN in refused.text) == (422, True)

    gone_on = await ben.browser.send(second, {**typed, "version": 2, "then": "check"}, csrf=shown.csrf)
    told = await ben.browser.open(gone_on.location)
    assert OVERTAKEN in told.text
    again = {**typed, "version": told.read_value("version"), "then": "check"}
    assert (await ben.browser.send(second, again, csrf=shown.csrf)).location == f"{second}/pruefung"
    await ben.publish(anna, second)
    assert await count_publications(anna.owner, second) == 1


NEW, RESUMED = "Ein neuer Entwurf ist begonnen.", "Sie haben diesen Entwurf schon begonnen."


async def begin(editor: WritingHarness) -> str:
    """The path of the draft that the button of the overview leads to."""
    return (await editor.browser.fill_in("/", "/entwuerfe")).location


async def begin_from(editor: WritingHarness, path: str, name: str, said: str) -> str:
    """The path of what a button of a notice leads to, if its page says that."""
    led = (await editor.send(path, name, 2)).location
    shown = await editor.read(led)
    assert [words in shown for words in (NEW, RESUMED)] == [words == said for words in (NEW, RESUMED)]
    return led.partition("?")[0]


async def test_a_new_notice_goes_on_with_what_its_author_has_begun_and_left_empty(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    first = await begin(anna)
    assert await begin(anna) == first
    assert await begin(ben) != first
    begun = "select count(*) from newsroom.audit where action = 'draft.created' and detail ->> 'draft' = $1"
    assert await anna.owner.fetchval(begun, first.split("/")[2]) == 1
    await anna.save(first)
    second = await begin(anna)
    assert second != first
    assert (await anna.send(second, "verwerfen", 1)).status == 303
    assert await begin(anna) not in (first, second)


@pytest.mark.parametrize("name", ["korrigieren", "folgemeldung", "kopieren"])
async def test_what_is_begun_from_a_notice_is_begun_once_while_nobody_writes_in_it(
    anna: WritingHarness, ben: WritingHarness, name: str
) -> None:
    path, other = await anna.publish(ben), await anna.publish(ben)
    first = await begin_from(anna, path, name, NEW)
    assert await begin_from(anna, path, name, RESUMED) == first
    assert await begin_from(ben, path, name, NEW) != first
    if name != "kopieren":
        assert await begin_from(anna, other, name, NEW) != first
    assert "Entwurf verwerfen" in await anna.read(first)
    await anna.save(first, text="Etwas anderes.")
    assert await begin_from(anna, path, name, NEW) != first
    assert await read_state(anna.owner, first) == ("draft", 2)


async def test_a_correction_that_was_overtaken_is_begun_anew(anna: WritingHarness, ben: WritingHarness) -> None:
    """What is left of it may be of the revision before."""
    path = await anna.publish(ben)
    left, theirs = [await editor.begin_from(path, "korrigieren") for editor in (anna, ben)]
    await ben.save(theirs, text="Von Ben.")
    again = await anna.begin_from(await ben.publish(anna, theirs), "korrigieren")
    assert again != left
    seen = "select seen_revision from newsroom.draft_version where draft = $1"
    assert [await anna.owner.fetchval(seen, parse_draft_id(each)) for each in (left, again)] == [1, 2]
