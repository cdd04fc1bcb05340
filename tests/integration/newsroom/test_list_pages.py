"""What lists say beside their rows: what is empty, what is left out, and where the rest is."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.harness.newsroom import EditorBrowser, NewsroomProcess
from tests.harness.writing_desk import WritingDesk, add_broadcast, format_local

_FEEDBACK = """
    insert into newsroom.feedback (id, kind, text, topic, broadcast, at)
    values ($1, 'text', $2, 'baustellen', $3, now())
"""


async def test_without_a_filter_there_is_no_feedback_yet(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    await newsroom.owner.execute("delete from newsroom.feedback")
    for query, words in (("", "Noch gibt es keine Rückmeldungen."), ("?suche=x", "Dazu gibt es keine Rückmeldungen.")):
        assert words in (await anna.browser.open(f"/rueckmeldungen{query}")).text


async def test_feedback_and_echoes_name_the_revision(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    words, headline = uuid4().hex, f"K 3 {uuid4().hex}"
    second = await add_broadcast(newsroom.owner, revision=2, headline=headline)
    await add_broadcast(newsroom.owner, headline=headline)
    await newsroom.owner.execute(_FEEDBACK, uuid4(), words, second)
    for page in (
        f"/rueckmeldungen?suche={words}",
        f"/rueckmeldungen.csv?suche={words}",
        "/auswertung",
        "/auswertung.csv",
    ):
        shown = (await anna.browser.open(page)).text
        assert shown.count(f"{headline}, 2. Fassung") == 1, page
        assert shown.count(headline) == (2 if "auswertung" in page else 1), page


async def test_whoever_stops_a_broadcast_is_told_which_revision(
    newsroom: NewsroomProcess, browser: EditorBrowser
) -> None:
    broadcast = await add_broadcast(newsroom.owner, revision=3, headline="K 2 gesperrt")
    assert (
        "<strong>K 2 gesperrt, 3. Fassung</strong>" in (await browser.open(f"/aussendungen/{broadcast}/anhalten")).text
    )


async def test_the_overview_leads_to_all_broadcasts(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    link = '<a class="kern-link" href="/aussendungen">Alle Aussendungen</a>'
    await newsroom.owner.execute("delete from newsroom.broadcast")
    assert link not in (await anna.browser.open("/")).text
    await add_broadcast(newsroom.owner, finished_at=datetime.now(UTC), states='{"read": 10}')
    assert link in (await anna.browser.open("/")).text


async def test_a_draft_with_a_time_says_so_in_the_list(anna: WritingDesk) -> None:
    planned = format_local(datetime.now(UTC) + timedelta(days=1))
    path = await anna.begin(scheduled_at=planned)
    card = (await anna.browser.open("/entwuerfe")).text.split(f'href="{path}">')[1].split("</li>")[0]
    day, hour = planned.split("T")
    assert f"· senden ab {'.'.join(reversed(day.split('-')))}, {hour} Uhr ·" in card


@pytest.mark.parametrize(("path", "words"), [("/aussendungen", "Aussendungen"), ("/protokoll", "Einträge")])
async def test_an_older_page_leads_back_to_the_newest(browser: EditorBrowser, path: str, words: str) -> None:
    before = "1" if path == "/protokoll" else "2000-01-01T00:00:00%2B00:00"
    shown = (await browser.open(f"{path}?vor={before}")).text
    assert f'<a class="kern-link" href="{path}">Zu den neuesten' in shown
    assert f"Ältere {words} gibt es nicht." in shown
    assert "Zu den neuesten" not in (await browser.open(path)).text
    assert not re.search("Noch ist nichts|Hier steht noch nichts", shown)
