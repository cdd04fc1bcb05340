"""Pages that list broadcasts: whatever else there is, what is planned is shown, and every broadcast is found."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from services.newsroom.adapters.broadcasts import MAX_LISTED
from services.newsroom.adapters.http.feedback_pages import MAX_NEWEST_SHOWN
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, add_broadcast

_ADD = """
    insert into newsroom.broadcast (id, notice, topic, headline, accepted_at, started_at, finished_at)
    select gen_random_uuid(), 'n', 'stellen', 'Stelle ' || number, now() - number * interval '1 minute', now(), now()
    from generate_series(1, $1) number
"""


def list_cards(page: str) -> list[str]:
    """What each broadcast's card says, beginning with its headline."""
    return [card.split("</li>")[0] for card in re.split(r'href="/aussendungen/[0-9a-f-]{36}">', page)[1:]]


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


@pytest.mark.parametrize(("heading", "started_at"), [("Geplant", None), ("Wird gerade gesendet", datetime.now(UTC))])
async def test_the_overview_leads_to_the_broadcasts_that_it_leaves_out(
    newsroom: NewsroomProcess, anna: WritingDesk, heading: str, started_at: datetime | None
) -> None:
    for more, is_linked in ((MAX_NEWEST_SHOWN, False), (1, True)):
        for _ in range(more):
            await add_broadcast(newsroom.owner, started_at=started_at, states="{}")
        shown = (await anna.browser.open("/")).text.split(f">{heading}</h2>")[1].split("<h2")[0]
        assert len(list_cards(shown)) == MAX_NEWEST_SHOWN
        assert ('href="/aussendungen">Weitere Aussendungen</a>' in shown) == is_linked


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


@pytest.mark.parametrize("page", ["/", "/aussendungen"])
async def test_two_revisions_with_the_same_headline_are_told_apart(
    newsroom: NewsroomProcess, anna: WritingDesk, page: str
) -> None:
    now = datetime.now(UTC)
    for revision in (1, 2):
        await add_broadcast(newsroom.owner, revision=revision, accepted_at=now + timedelta(minutes=revision))
    second, first = list_cards((await anna.browser.open(page)).text)
    assert [", 2. Fassung ·" in card for card in (first, second)] == [False, True]
    assert [", 1. Fassung ·" in card for card in (first, second)] == [True, False]
    assert [">ersetzt</span>" in card for card in (first, second)] == [True, False]


async def test_a_correction_that_is_planned_has_not_replaced_what_was_sent(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    now = datetime.now(UTC)
    sent = {"states": '{"delivered": 10}', "finished_at": now, "cancelled_at": now}
    first = await add_broadcast(newsroom.owner, **sent)
    planned = {"started_at": None, "states": "{}", "scheduled_at": now + timedelta(days=1)}
    await add_broadcast(newsroom.owner, revision=2, accepted_at=now + timedelta(minutes=1), **planned)
    badge = ">ersetzt</span>"
    assert badge not in (await anna.browser.open("/aussendungen")).text
    never_sent = "update newsroom.broadcast set finished_at = null, states = '{}' where id = $1"
    await newsroom.owner.execute(never_sent, first)
    assert badge in list_cards((await anna.browser.open("/aussendungen")).text)[1]
    assert badge in (await anna.browser.open(f"/aussendungen/{first}")).text
    ended = "update newsroom.broadcast set finished_at = now(), states = $2::text::jsonb where id = $1"
    await newsroom.owner.execute(ended, first, '{"delivered": 5, "cancelled": 5}')
    assert badge in (await anna.browser.open(f"/aussendungen/{first}")).text, "the rest never gets it"


async def test_what_is_planned_says_for_when(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    at = datetime(2026, 12, 24, 15, tzinfo=UTC)
    never = {"started_at": None, "states": "{}", "scheduled_at": at}
    for headline, changes in (("Bald", {}), ("Nie", {"cancelled_at": at}), ("Begonnen", {"started_at": at})):
        accepted = datetime(2026, 11, 1, 8, tzinfo=UTC)
        await add_broadcast(newsroom.owner, headline=headline, accepted_at=accepted, **{**never, **changes})
    cards = list_cards((await anna.browser.open("/aussendungen")).text)
    found = {card.split("<")[0]: re.findall(r"· ([^·]*24\.12\.2026, 16:00 Uhr)", card) for card in cards}
    assert found == {
        "Bald": ["geplant für 24.12.2026, 16:00 Uhr"],
        "Nie": ["war geplant für 24.12.2026, 16:00 Uhr"],
        "Begonnen": ["24.12.2026, 16:00 Uhr"],
    }
    assert "· geplant für 24.12.2026, 16:00 Uhr" in (await anna.browser.open("/")).text
