"""Pages that list drafts, broadcasts and feedback: whatever else there is, what waits for somebody is shown."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import uuid4

import pytest

from services.newsroom.http.draft_pages import MAX_LISTED
from services.newsroom.http.feedback_pages import MAX_DRAFTS, MAX_NEWEST, MAX_NEWEST_SHOWN
from services.newsroom.http.newsroom import MAX_LISTED as MAX_BROADCASTS
from tests.harness.ledger_rows import set_up_number
from tests.harness.newsroom import EditorBrowser, NewsroomProcess
from tests.harness.writing import (
    WritingHarness,
    add_broadcast,
    become_broadcast,
    cut_section,
    format_local,
    parse_draft_id,
)

_ADD_BROADCASTS = """
    insert into newsroom.broadcast (id, notice, topic, headline, accepted_at, started_at, finished_at)
    select gen_random_uuid(), 'n', 'stellen', 'Stelle ' || number, now() - number * interval '1 minute', now(), now()
    from generate_series(1, $1) number
"""


def list_cards(page: str) -> list[str]:
    """Return what each broadcast's card says, beginning with its headline."""
    return [card.split("</li>")[0] for card in re.split(r'href="/aussendungen/[0-9a-f-]{36}">', page)[1:]]


@pytest.fixture(autouse=True)
async def _no_others(newsroom: NewsroomProcess) -> None:
    await newsroom.owner.execute("delete from newsroom.broadcast")


async def test_a_broadcast_planned_long_ago_is_shown_however_many_newer_ones_there_are(anna: WritingHarness) -> None:
    now = datetime.now(UTC)
    for headline, days in (("Markt", 30), ("Fest", 20)):
        planned = {"started_at": None, "states": "{}", "scheduled_at": now + timedelta(days=days)}
        await add_broadcast(anna.owner, headline=headline, accepted_at=now - timedelta(days=9), **planned)
    await anna.owner.execute(_ADD_BROADCASTS, MAX_BROADCASTS)
    shown = cut_section(await anna.read("/"), "Geplant")
    assert re.findall("Markt|Fest", shown) == ["Fest", "Markt"], "the next one first"


async def test_what_was_planned_long_ago_and_sent_today_was_sent_last(anna: WritingHarness) -> None:
    """However many were accepted since, whether they were sent before it or are still planned."""
    now, ended = datetime.now(UTC), {"states": '{"delivered": 10}', "finished_at": datetime.now(UTC)}
    await add_broadcast(anna.owner, headline="Markt", accepted_at=now - timedelta(days=20), **ended)
    planned: dict[str, object] = {"started_at": None, "states": "{}", "scheduled_at": now + timedelta(days=9)}
    for changes in [{**ended, "started_at": now - timedelta(days=1)}] * 2 + [planned] * MAX_NEWEST:
        await add_broadcast(anna.owner, headline="Fest", **changes)
    shown = cut_section(await anna.read("/"), "Zuletzt gesendet")
    assert re.findall("Markt|Fest", shown) == ["Markt", "Fest", "Fest"]


@pytest.mark.parametrize(("heading", "started_at"), [("Geplant", None), ("Wird gerade gesendet", datetime.now(UTC))])
async def test_the_overview_leads_to_the_broadcasts_that_it_leaves_out(
    anna: WritingHarness, heading: str, started_at: datetime | None
) -> None:
    for more, is_linked in ((MAX_NEWEST_SHOWN, False), (1, True)):
        for _ in range(more):
            await add_broadcast(anna.owner, started_at=started_at, states="{}")
        shown = cut_section(await anna.read("/"), heading)
        assert len(list_cards(shown)) == MAX_NEWEST_SHOWN
        assert ('href="/aussendungen">Weitere Aussendungen</a>' in shown) == is_linked


async def test_older_broadcasts_are_on_pages_of_their_own(anna: WritingHarness) -> None:
    await anna.owner.execute(_ADD_BROADCASTS, 2 * MAX_BROADCASTS)
    found: list[str] = []
    path = "/aussendungen"
    while path:
        page = await anna.read(path)
        found += re.findall(r"Stelle \d+", page)
        assert ("data-stream" in page) == (path == "/aussendungen")
        [path] = re.findall(r"/aussendungen\?vor=[^\"]+", page) or [""]
    assert found == [f"Stelle {number}" for number in range(1, 2 * MAX_BROADCASTS + 1)]


async def test_an_unreadable_moment_shows_the_newest(anna: WritingHarness) -> None:
    await anna.owner.execute(_ADD_BROADCASTS, 1)
    for moment in ("x", "2026-11-29T02:00:00", "%00", "2026-11-29T02:00:00%2B99:00", "9999-12-31T23:59:59-14:00"):
        assert "Stelle 1" in await anna.read(f"/aussendungen?vor={moment}")


@pytest.mark.parametrize("page", ["/", "/aussendungen"])
async def test_two_revisions_with_the_same_headline_are_told_apart(anna: WritingHarness, page: str) -> None:
    now = datetime.now(UTC)
    for revision in (1, 2):
        await add_broadcast(anna.owner, revision=revision, accepted_at=now + timedelta(minutes=revision))
    second, first = list_cards(await anna.read(page))
    assert [", 2. Fassung ·" in card for card in (first, second)] == [False, True]
    assert [", 1. Fassung ·" in card for card in (first, second)] == [True, False]
    assert [">ersetzt</span>" in card for card in (first, second)] == [True, False]


async def test_a_correction_that_is_planned_has_not_replaced_what_was_sent(anna: WritingHarness) -> None:
    now = datetime.now(UTC)
    sent = {"states": '{"delivered": 10}', "finished_at": now, "cancelled_at": now}
    first = await add_broadcast(anna.owner, **sent)
    planned = {"started_at": None, "states": "{}", "scheduled_at": now + timedelta(days=1)}
    await add_broadcast(anna.owner, revision=2, accepted_at=now + timedelta(minutes=1), **planned)
    badge = ">ersetzt</span>"
    assert badge not in await anna.read("/aussendungen")
    never_sent = "update newsroom.broadcast set finished_at = null, states = '{}' where id = $1"
    await anna.owner.execute(never_sent, first)
    assert badge in list_cards(await anna.read("/aussendungen"))[1]
    assert badge in await anna.read(f"/aussendungen/{first}")
    ended = "update newsroom.broadcast set finished_at = now(), states = $2::text::jsonb where id = $1"
    await anna.owner.execute(ended, first, '{"delivered": 5, "cancelled": 5}')
    assert badge in await anna.read(f"/aussendungen/{first}"), "the rest never gets it"


async def test_what_is_planned_says_for_when(anna: WritingHarness) -> None:
    at = datetime(2026, 12, 24, 15, tzinfo=UTC)
    never = {"started_at": None, "states": "{}", "scheduled_at": at}
    for headline, changes in (("Bald", {}), ("Nie", {"cancelled_at": at}), ("Begonnen", {"started_at": at})):
        accepted = datetime(2026, 11, 1, 8, tzinfo=UTC)
        await add_broadcast(anna.owner, headline=headline, accepted_at=accepted, **{**never, **changes})
    cards = list_cards(await anna.read("/aussendungen"))
    found = {card.split("<")[0]: re.findall(r"· ([^·]*24\.12\.2026, 16:00 Uhr)", card) for card in cards}
    assert found == {
        "Bald": ["geplant für 24.12.2026, 16:00 Uhr"],
        "Nie": ["war geplant für 24.12.2026, 16:00 Uhr"],
        "Begonnen": ["24.12.2026, 16:00 Uhr"],
    }
    assert "· geplant für 24.12.2026, 16:00 Uhr" in await anna.read("/")


_ADD_DRAFTS = """
    with added as (
        insert into newsroom.draft (id, notice, kind, state, version, created_by)
        select gen_random_uuid(), gen_random_uuid()::text, 'notice', $2, 1, created_by
        from newsroom.draft, generate_series(1, $3) where id = $1 returning id, created_by)
    insert into newsroom.draft_version (draft, version, content, author) select id, 1, '{}', created_by from added
"""

_ADD_OLD_DRAFTS = """
    with added as (
        insert into newsroom.draft (id, notice, kind, state, version, created_by, changed_at)
        select gen_random_uuid(), 'old-' || number, 'notice', 'returned', 1, created_by,
            now() - number * interval '1 minute'
        from newsroom.draft, generate_series(1, $2) number where id = $1 returning id, created_by, notice)
    insert into newsroom.draft_version (draft, version, content, author)
    select id, 1, jsonb_build_object('headline', replace(notice, 'old-', 'Alt ')), created_by from added
"""


@pytest.mark.parametrize(
    ("page", "heading", "state"),
    [
        ("/entwuerfe", "Freigabe", "draft"),
        ("/", "Wartet auf Ihre Freigabe", "returned"),
        ("/", "Wartet auf Ihre Freigabe", "approved"),
    ],
)
async def test_what_waits_for_an_approval_is_shown_however_many_newer_drafts_there_are(
    anna: WritingHarness, ben: WritingHarness, page: str, heading: str, state: str
) -> None:
    path = await anna.begin()
    await anna.act(path, "einreichen")
    await anna.owner.execute(_ADD_DRAFTS, parse_draft_id(path), state, MAX_LISTED)
    assert path in cut_section(await ben.read(page), heading)


@pytest.mark.parametrize(
    ("heading", "state", "viewer"),
    [
        ("Daran schreiben Sie gerade", "draft", "anna"),
        ("An Sie zurückgegeben", "returned", "anna"),
        ("Wartet auf andere", "pending", "anna"),
        ("Wartet auf Ihre Freigabe", "pending", "ben"),
    ],
)
async def test_the_overview_shows_what_is_for_this_person_however_much_others_have(
    anna: WritingHarness, ben: WritingHarness, heading: str, state: str, viewer: str
) -> None:
    path, other = await anna.begin(), await ben.begin()
    await anna.owner.execute("update newsroom.draft set state = $2 where id = $1", parse_draft_id(path), state)
    await anna.owner.execute(_ADD_DRAFTS, parse_draft_id(other), state, MAX_LISTED)
    editor = {"anna": anna, "ben": ben}[viewer]
    assert path in cut_section(await editor.read("/"), heading)


async def test_the_overview_leads_to_the_drafts_that_it_leaves_out(anna: WritingHarness) -> None:
    path = await anna.begin()
    for more, is_linked in ((MAX_DRAFTS - 1, False), (1, True)):
        await anna.owner.execute(_ADD_DRAFTS, parse_draft_id(path), "draft", more)
        shown = cut_section(await anna.read("/"), "Daran schreiben Sie gerade")
        assert shown.count("<li ") == MAX_DRAFTS
        assert ('href="/entwuerfe">Weitere Entwürfe</a>' in shown) == is_linked


async def test_older_drafts_are_on_pages_of_their_own(anna: WritingHarness) -> None:
    path, count = await anna.begin(), 2 * MAX_LISTED + 1
    await anna.owner.execute(_ADD_OLD_DRAFTS, parse_draft_id(path), count)
    found: list[str] = []
    page = "/entwuerfe"
    while page:
        shown = await anna.read(page)
        assert ("Zu den neuesten</a>" in shown) == (page != "/entwuerfe")
        writing = cut_section(shown, "In Arbeit")
        found += re.findall(r"Alt \d+", writing)
        [page] = re.findall(r'href="([^"]*)">Weitere Entwürfe', writing.replace("&amp;", "&")) or [""]
    assert found == [f"Alt {number}" for number in range(1, count + 1)]
    for query in ("?liste=in-arbeit", "?liste=x&vor=2000-01-01T00:00:00%2B00:00", "?liste=in-arbeit&vor=x"):
        assert ">Freigabe</h2>" in await anna.read(f"/entwuerfe{query}"), "it is the newest of all lists"
    shown = await anna.read("/entwuerfe?liste=freigabe&vor=2000-01-01T00:00:00%2B00:00")
    assert "Ältere Entwürfe gibt es nicht." in shown
    assert ">In Arbeit</h2>" not in shown


async def test_the_overview_says_that_nothing_is_sent(anna: WritingHarness) -> None:
    paused = "Der gesamte Versand ist angehalten."
    await set_up_number(anna.owner)
    assert paused not in await anna.read("/")
    await anna.owner.execute("update dispatcher.rate set paused_reason = 'Übung <1>'")
    shown = await anna.read("/")
    assert (paused in shown, "Grund: Übung &lt;1&gt;" in shown) == (True, True)
    await set_up_number(anna.owner)


async def test_published_revisions_of_one_notice_are_told_apart(anna: WritingHarness) -> None:
    path = await anna.begin(urgent="1", headline="K 5 gesperrt")
    paths = []
    for revision in (1, 2, 3):
        await anna.publish_in_emergency(path)
        await become_broadcast(anna.owner, path, revision=revision)
        paths.append(path)
        path = await anna.begin_from(path, "korrigieren")
        await anna.save(path, urgent="1", headline="K 5 gesperrt", text=f"Nach der {revision}. Fassung.")
    page = (await anna.read("/entwuerfe")).split(">Veröffentlicht</h2>")[1]
    cards = [page.split(f'href="{each}">')[1].split("</li>")[0] for each in paths]
    found = [re.findall(r"Meldung, .\. Fassung|Korrektur, .\. Fassung|ersetzt", card) for card in cards]
    assert found == [
        ["ersetzt", "Meldung, 1. Fassung"],
        ["ersetzt", "Korrektur, 2. Fassung"],
        ["Korrektur, 3. Fassung"],
    ]


async def test_what_was_saved_is_called_otherwise_than_a_revision(anna: WritingHarness) -> None:
    path = await anna.begin()
    assert "Zwei Stände</h1>" in (await anna.save(path, version="1", text="Anders.")).text
    assert ">Alle Stände ansehen (2)</a>" in await anna.read(path)
    versions = await anna.read(f"{path}/staende")
    assert re.findall(r"<h[12][^>]*>(.*)</h", versions) == ["Alle Stände", "Stand 2", "Stand 1"]
    assert "Alle Stände ansehen" not in versions, "it is this page"
    for each in (path, f"{path}/pruefung", f"{path}/staende"):
        assert "Fassung" not in await anna.read(each)


_FEEDBACK = """
    insert into newsroom.feedback (id, kind, text, topic, broadcast, at)
    values ($1, 'text', $2, 'baustellen', $3, now())
"""


async def test_feedback_and_echoes_name_the_revision(anna: WritingHarness) -> None:
    words, headline = uuid4().hex, f"K 3 {uuid4().hex}"
    second = await add_broadcast(anna.owner, revision=2, headline=headline)
    await add_broadcast(anna.owner, headline=headline)
    await anna.owner.execute(_FEEDBACK, uuid4(), words, second)
    for page, count in (("/rueckmeldungen", 1), ("/auswertung", 2)):
        for suffix in ("", ".csv"):
            shown = await anna.read(f"{page}{suffix}?suche={words}")
            assert (shown.count(f"{headline}, 2. Fassung"), shown.count(headline)) == (1, count), page + suffix


async def test_whoever_stops_a_broadcast_is_told_which_revision(browser: EditorBrowser) -> None:
    broadcast = await add_broadcast(browser.owner, revision=3, headline="K 2 gesperrt")
    assert "<strong>K 2 gesperrt, 3. Fassung</strong>" in await browser.read(f"/aussendungen/{broadcast}/anhalten")


async def test_a_draft_with_a_time_says_so_in_the_list(anna: WritingHarness) -> None:
    planned = format_local(datetime.now(UTC) + timedelta(days=1))
    path = await anna.begin(scheduled_at=planned)
    card = (await anna.read("/entwuerfe")).split(f'href="{path}">')[1].split("</li>")[0]
    day, hour = planned.split("T")
    assert f"· senden ab {'.'.join(reversed(day.split('-')))}, {hour} Uhr ·" in card


@pytest.mark.parametrize(("path", "words"), [("/aussendungen", "Aussendungen"), ("/protokoll", "Einträge")])
async def test_an_older_page_leads_back_to_the_newest(browser: EditorBrowser, path: str, words: str) -> None:
    before = "1" if path == "/protokoll" else "2000-01-01T00:00:00%2B00:00"
    shown = await browser.read(f"{path}?vor={before}")
    assert f'<a class="kern-link" href="{path}">Zu den neuesten' in shown
    assert f"Ältere {words} gibt es nicht." in shown
    assert "Zu den neuesten" not in await browser.read(path)
    assert not re.search("Noch ist nichts|Hier steht noch nichts", shown)


async def test_feedback_is_searched_and_exported(anna: WritingHarness) -> None:
    await anna.owner.execute("delete from newsroom.feedback")
    for query, words in (("", "Noch gibt es keine Rückmeldungen."), ("?suche=x", "Dazu gibt es keine Rückmeldungen.")):
        assert words in await anna.read(f"/rueckmeldungen{query}")
    searched, other = uuid4().hex, uuid4().hex
    for mark in (searched, other):
        await anna.owner.execute(_FEEDBACK, uuid4(), f"=Gut #{mark}", None)
    shown = await anna.read(f"/rueckmeldungen?suche=%23{searched}&art=text")
    (link,) = re.findall(r'href="(/rueckmeldungen\.csv[^"]*)"', shown)
    table = await anna.read(unescape(link))
    assert ("„=Gut" in shown, f"'=Gut #{searched}" in table, other in shown + table) == (True, True, False)
    assert (await anna.browser.open("/rueckmeldungen?aussendung=x")).status == 404


async def test_the_overview_tells_what_is_planned_being_sent_and_sent(anna: WritingHarness) -> None:
    link = '<a class="kern-link" href="/aussendungen">Alle Aussendungen</a>'
    assert link not in await anna.read("/")
    states: dict[str, dict[str, object]] = {
        "Geplant": {"states": "{}", "started_at": None, "scheduled_at": datetime(2030, 1, 7, 6, 30, tzinfo=UTC)},
        "Wird gerade gesendet": {},
        "Zuletzt gesendet": {"states": '{"delivered": 10}', "finished_at": datetime.now(UTC)},
    }
    for heading, changes in states.items():
        await add_broadcast(anna.owner, headline=f"Fall {heading}", **changes)
    shown = await anna.read("/")
    assert link in shown
    for heading in states:
        section = cut_section(shown, heading)
        assert [each for each in states if f"Fall {each}<" in section] == [heading]
