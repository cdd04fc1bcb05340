"""Pages that list broadcasts: whatever else there is, what is planned is shown, and every broadcast is found."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from services.newsroom.handlers.watching import MAX_LISTED
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, add_broadcast

_ADD = """
    insert into newsroom.broadcast (id, notice, topic, headline, accepted_at, started_at, finished_at)
    select gen_random_uuid(), 'n', 'stellen', 'Stelle ' || number, now() - number * interval '1 minute', now(), now()
    from generate_series(1, $1) number
"""


@pytest.fixture(autouse=True)
async def _no_others(newsroom: NewsroomProcess) -> None:
    await newsroom.owner.execute("delete from newsroom.broadcast")


async def test_a_broadcast_planned_long_ago_is_shown_however_many_newer_ones_there_are(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    now = datetime.now(UTC)
    for headline, days in (("Markt", 30), ("Fest", 20)):
        planned = {"started_at": None, "states": "{}", "scheduled_at": now + timedelta(days=days)}
        await add_broadcast(newsroom.owner, headline=headline, accepted_at=now - timedelta(days=9), **planned)
    await newsroom.owner.execute(_ADD, MAX_LISTED)
    shown = (await anna.browser.open("/")).text.split(">Geplant</h2>")[1].split("<h2")[0]
    assert re.findall("Markt|Fest", shown) == ["Fest", "Markt"], "the next one first"


async def test_older_broadcasts_are_on_pages_of_their_own(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    await newsroom.owner.execute(_ADD, 2 * MAX_LISTED)
    found: list[str] = []
    path = "/aussendungen"
    while path:
        page = (await anna.browser.open(path)).text
        found += re.findall(r"Stelle \d+", page)
        assert ("data-stream" in page) == (path == "/aussendungen")
        [path] = re.findall(r"/aussendungen\?vor=[^\"]+", page) or [""]
    assert found == [f"Stelle {number}" for number in range(1, 2 * MAX_LISTED + 1)]


async def test_an_unreadable_moment_shows_the_newest(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    await newsroom.owner.execute(_ADD, 1)
    for moment in ("x", "2026-11-29T02:00:00", "%00", "2026-11-29T02:00:00%2B99:00", "9999-12-31T23:59:59-14:00"):
        assert "Stelle 1" in (await anna.browser.open(f"/aussendungen?vor={moment}")).text


async def test_a_broadcast_names_the_notice_for_the_command_line(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    broadcast = await add_broadcast(newsroom.owner, notice="presse-<17>")
    assert "Kennung der Meldung: presse-&lt;17&gt;" in (await anna.browser.open(f"/aussendungen/{broadcast}")).text
