"""Drafts that were begun by mistake: there is one of a kind at most, and its author may drop it."""

from uuid import UUID

import pytest

from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, read_state

NEW, RESUMED = "Ein neuer Entwurf ist begonnen.", "Sie haben diesen Entwurf schon begonnen."


async def begin(desk: WritingDesk) -> str:
    """The path of the draft that the button of the overview leads to."""
    return (await desk.browser.fill_in("/", "/entwuerfe")).location


async def begin_from(desk: WritingDesk, path: str, name: str, said: str) -> str:
    """The path of what a button of a notice leads to, if its page says that."""
    led = (await desk.send(path, name, 2)).location
    shown = (await desk.browser.open(led)).text
    assert [words in shown for words in (NEW, RESUMED)] == [words == said for words in (NEW, RESUMED)]
    return led.partition("?")[0]


async def publish(writer: WritingDesk, approver: WritingDesk) -> str:
    path = await writer.begin()
    await writer.act(path, "einreichen")
    await approver.act(path, "freigeben")
    assert (await writer.act(path, "veroeffentlichen")).status == 303
    return path


async def test_a_new_notice_goes_on_with_what_its_author_has_begun_and_left_empty(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    first = await begin(anna)
    assert await begin(anna) == first
    assert await begin(ben) != first
    begun = "select count(*) from newsroom.audit where action = 'draft.created' and detail ->> 'draft' = $1"
    assert await newsroom.owner.fetchval(begun, first.split("/")[2]) == 1
    await anna.save(first)
    second = await begin(anna)
    assert second != first
    assert (await anna.send(second, "verwerfen", 1)).status == 303
    assert await begin(anna) not in (first, second)


@pytest.mark.parametrize("name", ["korrigieren", "folgemeldung", "kopieren"])
async def test_what_is_begun_from_a_notice_is_begun_once_while_nobody_writes_in_it(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk, name: str
) -> None:
    path, other = await publish(anna, ben), await publish(anna, ben)
    first = await begin_from(anna, path, name, NEW)
    assert await begin_from(anna, path, name, RESUMED) == first
    assert await begin_from(ben, path, name, NEW) != first
    if name != "kopieren":
        assert await begin_from(anna, other, name, NEW) != first
    assert "Entwurf verwerfen" in (await anna.browser.open(first)).text
    await anna.save(first, text="Etwas anderes.")
    assert await begin_from(anna, path, name, NEW) != first
    assert await read_state(newsroom.owner, first) == ("draft", 2)


async def test_a_correction_that_was_overtaken_is_begun_anew(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    """What is left of it may be of the revision before."""
    path = await publish(anna, ben)
    left = (await anna.send(path, "korrigieren", 2)).location.partition("?")[0]
    theirs = (await ben.send(path, "korrigieren", 2)).location.partition("?")[0]
    await ben.save(theirs, text="Von Ben.")
    await ben.act(theirs, "einreichen")
    await anna.act(theirs, "freigeben")
    assert (await ben.act(theirs, "veroeffentlichen")).status == 303
    again = (await anna.send(theirs, "korrigieren", 2)).location.partition("?")[0]
    assert again != left
    seen = "select seen_revision from newsroom.draft_version where draft = $1"
    assert [await newsroom.owner.fetchval(seen, UUID(each.split("/")[2])) for each in (left, again)] == [1, 2]
