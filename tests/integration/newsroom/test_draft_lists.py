"""Pages that list drafts: whatever else there is, what waits for somebody is shown."""

import re
from uuid import UUID

import pytest

from services.newsroom.adapters.http.draft_pages import MAX_LISTED
from services.newsroom.adapters.http.feedback_pages import MAX_DRAFTS
from tests.harness.ledger_rows import set_up_number
from tests.harness.newsroom import NewsroomProcess
from tests.harness.writing_desk import WritingDesk, become_broadcast

_ADD = """
    with added as (
        insert into newsroom.draft (id, notice, kind, state, version, created_by)
        select gen_random_uuid(), gen_random_uuid()::text, 'notice', $2, 1, created_by
        from newsroom.draft, generate_series(1, $3) where id = $1 returning id, created_by)
    insert into newsroom.draft_version (draft, version, content, author) select id, 1, '{}', created_by from added
"""

_ADD_OLD = """
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
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk, page: str, heading: str, state: str
) -> None:
    path = await anna.begin()
    await anna.act(path, "einreichen")
    await newsroom.owner.execute(_ADD, UUID(path.split("/")[2]), state, MAX_LISTED)
    assert path in (await ben.browser.open(page)).text.split(f">{heading}</h2>")[1].split("<h2")[0]


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
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk, heading: str, state: str, viewer: str
) -> None:
    path, other = await anna.begin(), await ben.begin()
    await newsroom.owner.execute("update newsroom.draft set state = $2 where id = $1", UUID(path.split("/")[2]), state)
    await newsroom.owner.execute(_ADD, UUID(other.split("/")[2]), state, MAX_LISTED)
    desk = {"anna": anna, "ben": ben}[viewer]
    assert path in (await desk.browser.open("/")).text.split(f">{heading}</h2>")[1].split("<h2")[0]


async def test_the_overview_leads_to_the_drafts_that_it_leaves_out(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    path, heading = await anna.begin(), ">Daran schreiben Sie gerade</h2>"
    for more, is_linked in ((MAX_DRAFTS - 1, False), (1, True)):
        await newsroom.owner.execute(_ADD, UUID(path.split("/")[2]), "draft", more)
        shown = (await anna.browser.open("/")).text.split(heading)[1].split("<h2")[0]
        assert shown.count("<li ") == MAX_DRAFTS
        assert ('href="/entwuerfe">Weitere Entwürfe</a>' in shown) == is_linked


async def test_older_drafts_are_on_pages_of_their_own(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    path, count = await anna.begin(), 2 * MAX_LISTED + 1
    await newsroom.owner.execute(_ADD_OLD, UUID(path.split("/")[2]), count)
    found: list[str] = []
    page = "/entwuerfe"
    while page:
        shown = (await anna.browser.open(page)).text
        assert ("Zu den neuesten</a>" in shown) == (page != "/entwuerfe")
        writing = shown.split(">In Arbeit</h2>")[1].split("<h2")[0]
        found += re.findall(r"Alt \d+", writing)
        [page] = re.findall(r'href="([^"]*)">Weitere Entwürfe', writing.replace("&amp;", "&")) or [""]
    assert found == [f"Alt {number}" for number in range(1, count + 1)]
    for query in ("?liste=in-arbeit", "?liste=x&vor=2000-01-01T00:00:00%2B00:00", "?liste=in-arbeit&vor=x"):
        assert ">Freigabe</h2>" in (await anna.browser.open(f"/entwuerfe{query}")).text, "it is the newest of all lists"
    shown = (await anna.browser.open("/entwuerfe?liste=freigabe&vor=2000-01-01T00:00:00%2B00:00")).text
    assert "Ältere Entwürfe gibt es nicht." in shown
    assert ">In Arbeit</h2>" not in shown


async def test_the_overview_says_that_nothing_is_sent_and_what_one_is_writing(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    await set_up_number(newsroom.owner)
    path = await anna.begin()
    own = ">Daran schreiben Sie gerade</h2>"
    assert path in (await anna.browser.open("/")).text.split(own)[1].split("<h2")[0]
    assert own not in (await ben.browser.open("/")).text
    paused = "Der gesamte Versand ist angehalten."
    assert paused not in (await anna.browser.open("/")).text
    await newsroom.owner.execute("update dispatcher.rate set paused_reason = 'Übung <1>'")
    shown = (await anna.browser.open("/")).text
    assert paused in shown
    assert "Grund: Übung &lt;1&gt;" in shown


async def test_the_log_names_the_version_that_was_saved(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    path = await anna.begin()
    draft = path.split("/")[2]
    rows = await newsroom.owner.fetch(
        "select detail ->> 'version' as version from newsroom.audit where detail ->> 'draft' = $1 order by id", draft
    )
    newest = await newsroom.owner.fetchval("select version from newsroom.draft where id = $1", UUID(draft))
    assert newest > 1
    assert rows[-1]["version"] == str(newest)


async def test_published_revisions_of_one_notice_are_told_apart(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    path = await anna.begin(urgent="1", headline="K 5 gesperrt")
    paths = []
    for revision in (1, 2, 3):
        assert (await anna.send(path, "notfall", 2, {"reason": "Bombenfund"})).status == 303
        await become_broadcast(newsroom.owner, path, revision=revision)
        paths.append(path)
        path = (await anna.send(path, "korrigieren", 0)).location.partition("?")[0]
        await anna.save(path, urgent="1", headline="K 5 gesperrt", text=f"Nach der {revision}. Fassung.")
    page = (await anna.browser.open("/entwuerfe")).text.split(">Veröffentlicht</h2>")[1]
    cards = [page.split(f'href="{each}">')[1].split("</li>")[0] for each in paths]
    found = [re.findall(r"Meldung, .\. Fassung|Korrektur, .\. Fassung|ersetzt", card) for card in cards]
    assert found == [
        ["ersetzt", "Meldung, 1. Fassung"],
        ["ersetzt", "Korrektur, 2. Fassung"],
        ["Korrektur, 3. Fassung"],
    ]


async def test_what_was_saved_is_called_otherwise_than_a_revision(anna: WritingDesk) -> None:
    path = await anna.begin()
    assert "Zwei Stände</h1>" in (await anna.save(path, version="1", text="Anders.")).text
    assert ">Alle Stände ansehen (2)</a>" in (await anna.browser.open(path)).text
    versions = (await anna.browser.open(f"{path}/staende")).text
    assert re.findall(r"<h[12][^>]*>(.*)</h", versions) == ["Alle Stände", "Stand 2", "Stand 1"]
    assert "Alle Stände ansehen" not in versions, "it is this page"
    for each in (path, f"{path}/pruefung", f"{path}/staende"):
        assert "Fassung" not in (await anna.browser.open(each)).text
