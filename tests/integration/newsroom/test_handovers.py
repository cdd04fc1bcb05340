"""Between the button and the notices API: the page tells how far it is, and is not loaded anew under its readers."""

import asyncio
import re
from uuid import UUID

import pytest

from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, become_broadcast
from tests.servers import WAIT_TIMEOUT_SECONDS

_CONFIRM = """
    update newsroom.publication set state = 'accepted', answered_at = now(), confirmed_at = now() where draft = $1
"""
_REJECT = "update newsroom.publication set state = 'rejected', answered_at = now() where draft = $1"


async def publish(desk: WritingDesk) -> str:
    """The path of a draft that is published while the notices API is away."""
    path = await desk.begin(urgent="1")
    assert (await desk.send(path, "notfall", 2, {"reason": "Bombenfund"})).status == 303
    return path


@pytest.mark.parametrize(("settle", "words"), [(_CONFIRM, "Die Meldung ist übergeben."), (_REJECT, "event: end")])
async def test_the_stream_of_a_handover_tells_each_change_and_ends_with_it(
    newsroom: NewsroomProcess, anna: WritingDesk, settle: str, words: str
) -> None:
    path = await publish(anna)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        async with anna.browser.session.get(f"{newsroom.url}{path}/strom") as response:
            async for line in response.content:
                if "Der Dienst für Meldungen antwortet noch nicht." in line.decode():
                    break
            await newsroom.owner.execute(settle, UUID(path.split("/")[2]))
            told = (await response.content.read()).decode()
    assert (words in told, told.endswith("event: end\ndata:\n\n")) == (True, True)


async def test_what_was_never_handed_over_has_no_stream(anna: WritingDesk) -> None:
    assert (await anna.browser.open(f"{await anna.begin()}/strom")).status == 404


async def test_only_without_script_a_page_is_loaded_anew_by_itself_and_none_of_these_asks_for_words(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    path = await publish(anna)
    waiting = (await anna.browser.open(path)).text
    assert f'data-stream="{path}/strom" data-reload' in waiting
    sending = (await anna.browser.open(f"/aussendungen/{await become_broadcast(newsroom.owner, path)}")).text
    for shown in (waiting, sending):
        scripted = re.sub("<noscript>.*?</noscript>", "", shown, flags=re.DOTALL)
        assert ('http-equiv="refresh"' in shown, 'http-equiv="refresh"' in scripted) == (True, False)
        assert "<textarea" not in shown, "it would be lost"


async def test_the_page_of_a_settled_handover_is_not_loaded_anew(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    path = await publish(anna)
    withdrawal = (await anna.send(path, "zurueckziehen", 2, {"reason": "Fällt aus."})).location
    assert "data-reload" in (await anna.browser.open(withdrawal)).text
    await newsroom.owner.execute(_CONFIRM, UUID(withdrawal.split("/")[2]))
    shown = (await anna.browser.open(withdrawal)).text
    assert ("Die Meldung ist zurückgezogen." in shown, "data-stream" in shown, "refresh" in shown) == (
        True,
        False,
        False,
    )
