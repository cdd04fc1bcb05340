"""The way to the notices API, and back: how far a notice is, and how it is withdrawn.

What was withdrawn says so wherever its broadcast is shown.
"""

import asyncio
import re
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.newsroom.domain.progress import BroadcastPhase
from shared.contracts.events import BroadcastCancelled, BroadcastFinished, NoticeAccepted, NoticeAction
from shared.runtime.clock import system_clock
from tests.harness.newsroom import EditorBrowser, NewsroomProcess
from tests.harness.writing import (
    WritingHarness,
    add_broadcast,
    become_broadcast,
    cut_section,
    parse_draft_id,
    read_state,
)
from tests.integration.newsroom.writing_store import SOURCE, Store
from tests.servers import WAIT_TIMEOUT_SECONDS

_FAIL = """
    create function newsroom.fail() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
    create trigger fail before insert on newsroom.publication for each row execute function newsroom.fail();
"""
_CONFIRM = """
    update newsroom.publication set state = 'accepted', answered_at = now(), confirmed_at = now() where draft = $1
"""
_REJECT = """
    with rejected as (
        update newsroom.publication set state = 'rejected', answered_at = now(),
            problems = '[{"field": "subject", "problem": "there is no such notice"}]'
        where draft = $1 returning draft)
    update newsroom.draft set state = 'returned' from rejected where id = draft
"""
_OURS = "/landkreis-osterholz/redaktion"
_NOON = datetime(2026, 11, 28, 11, tzinfo=UTC)
_DONE: dict[str, object] = {"states": '{"delivered": 9, "read": 1}', "finished_at": _NOON}


async def find_notice(owner: asyncpg.Connection, path: str) -> str:
    """The id of the draft's notice."""
    find = "select notice from newsroom.draft where id = $1"
    return str(await owner.fetchval(find, parse_draft_id(path)))


async def record_withdrawal(owner: asyncpg.Connection, path: str, source: str = _OURS) -> None:
    """As events tell that the draft's notice, or one of the same id in another source, was withdrawn."""
    add = "insert into newsroom.withdrawn_notice (source, notice, at) values ($1, $2, $3)"
    await owner.execute(add, source, await find_notice(owner, path), _NOON)


async def open_withdrawal(editor: WritingHarness, page: str) -> str:
    """The page to which "Meldung zurückziehen" leads."""
    (link,) = re.findall('href="(/entwuerfe/[^"]+/zurueckziehen)"', await editor.read(page))
    return await editor.read(link)


async def test_a_withdrawal_that_is_not_published_leaves_no_draft(store: Store, owner: asyncpg.Connection) -> None:
    draft = await store.publish()
    await owner.execute(_FAIL)
    with pytest.raises(asyncpg.RaiseError):
        await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")
    assert await store.fetch("select kind from newsroom.draft") == [("notice",)]
    await owner.execute("drop function newsroom.fail cascade")
    await store.drafting.withdraw(store.ben, draft.id, "Fällt aus.")
    acts = "select action from newsroom.audit where account = $1 order by id"
    assert await store.fetch(acts, store.ben.id) == [("draft.created",), ("draft.withdrawn",)]


@pytest.mark.parametrize("source", [SOURCE, "/landkreis-osterholz/bauamt"])
async def test_every_revision_knows_that_its_notice_was_withdrawn_by_whichever_system(
    store: Store, source: str
) -> None:
    at, broadcasts = system_clock(), [UUID(int=81), UUID(int=82)]
    for revision, broadcast in enumerate(broadcasts, start=1):
        accepted = NoticeAccepted(source=source, event="e", notice="n", revision=revision, broadcast=broadcast)
        await store.tell(accepted, at)
    await store.tell(BroadcastCancelled(broadcast=broadcasts[0], source=source, notice="n"), at)
    await store.tell(BroadcastFinished(broadcast=broadcasts[1], audience=1, states={"sent": 1}), at)
    withdrawn = NoticeAccepted(source=source, event="w", notice="n", revision=2, action=NoticeAction.WITHDRAWN)
    for _ in range(2):
        await store.tell(withdrawn, at)
    known = await store.statuses.find_all(broadcasts)
    first, second = [known[each] for each in broadcasts]
    assert (first.phase, second.phase) == (BroadcastPhase.CANCELLED, BroadcastPhase.FINISHED)
    for status in (first, second):
        assert (status.withdrawn_at, status.phase_name) == (at, "zurückgezogen")
    assert list(await store.statuses.list_newest(2)) == [first, second]


async def test_a_withdrawal_that_was_rejected_is_discarded_by_whoever_began_it(
    anna: WritingHarness, ben: WritingHarness
) -> None:
    withdrawal = await anna.withdraw(await anna.publish(ben))
    await anna.owner.execute(_REJECT, parse_draft_id(withdrawal))
    assert "/verwerfen" not in await ben.read(withdrawal)
    shown = await anna.browser.open(withdrawal)
    for words in ("Die Meldung gilt weiter.", "Meldung: Bitte prüfen (there is no such notice)."):
        assert words in shown.text
    assert f'action="{withdrawal}/verwerfen"' in shown.text
    assert "bearbeiten" not in shown.text, "nobody edits a withdrawal"
    check = await anna.read(f"{withdrawal}/pruefung")
    assert [words in check for words in ("bearbeiten", f"{withdrawal}/testen")] == [False, False]
    discarded = await anna.send(withdrawal, "verwerfen", shown.read_value("version"))
    assert discarded.location == f"{withdrawal}?erledigt=verworfen"
    assert await read_state(anna.owner, withdrawal) == ("discarded", 1)


@pytest.mark.parametrize("changes", [_DONE, {"cancelled_at": _NOON}, {"states": "{}", "cancelled_at": _NOON}])
async def test_what_was_withdrawn_says_so_everywhere(
    newsroom: NewsroomProcess, anna: WritingHarness, changes: dict[str, object]
) -> None:
    """Without a name and a reason, which only our own withdrawals have."""
    headline = f"Fall {uuid4().hex[:12]}"
    draft = await anna.publish_in_emergency(headline=headline)
    path = f"/aussendungen/{await become_broadcast(newsroom.owner, draft, headline=headline, **changes)}"
    pages, badge = ("/", "/aussendungen", path, f"{path}/nachweis"), ">zurückgezogen</span>"
    before = [await anna.read(page) for page in pages]
    await record_withdrawal(anna.owner, draft)
    after = [await anna.read(page) for page in pages]
    for shown, expected in ((before, False), (after, True)):
        lists = [text.split(f"{headline}</a>")[1].split("</li>")[0] for text in shown[:2]]
        assert [badge in text for text in (*lists, *shown[2:])] == [expected] * 4
    for text in after[2:]:
        assert ("Zurückgezogen von" in text, "None" in text) == (False, False)
    assert "<dt>Zurückgezogen</dt><dd>28.11.2026, 12:00 Uhr" in after[3]
    assert "Zurückgezogen;28.11.2026, 12:00 Uhr" in await anna.read(f"{path}/nachweis.csv")


async def test_what_was_withdrawn_is_neither_corrected_nor_withdrawn_nor_sent_again(
    newsroom: NewsroomProcess, anna: WritingHarness
) -> None:
    draft = await anna.publish_in_emergency()
    failed = {**_DONE, "states": '{"delivered": 9, "failed": 1}'}
    broadcast = await become_broadcast(newsroom.owner, draft, **failed)
    acts = ("/korrigieren", "/zurueckziehen", "/nachsenden", "/folgemeldung", "/kopieren")
    for source, expected in (
        ("/landkreis-osterholz/bauamt", (True,) * 5),  # which has another notice of the same id
        (_OURS, (False, False, False, True, True)),
    ):
        await record_withdrawal(anna.owner, draft, source)
        shown = await anna.read(f"/aussendungen/{broadcast}")
        assert tuple(f'{act}"' in shown for act in acts) == expected


async def test_what_an_operator_has_ended_is_withdrawn_for_the_archive_and_an_older_revision_never(
    anna: WritingHarness,
) -> None:
    """An older one that had expired was not cancelled: its page would say that withdrawing changes nothing."""
    path = await anna.publish_in_emergency()
    broadcast = await become_broadcast(anna.owner, path, states="{}", cancelled_at=_NOON)
    assert "Im Archiv bleibt die Meldung" in await open_withdrawal(anna, f"/aussendungen/{broadcast}")
    finished = await become_broadcast(anna.owner, await anna.publish_in_emergency(), **_DONE)
    assert "/zurueckziehen" in await anna.read(f"/aussendungen/{finished}")
    notice = await anna.owner.fetchval("select notice from newsroom.broadcast where id = $1", finished)
    await add_broadcast(anna.owner, source=_OURS, notice=notice, revision=2)
    assert "/zurueckziehen" not in await anna.read(f"/aussendungen/{finished}")


async def test_what_waits_for_the_notices_api_is_found_on_the_overview_and_withdrawn(anna: WritingHarness) -> None:
    headline = f"Fall {uuid4().hex[:12]}"
    path = await anna.publish_in_emergency(headline=headline)
    assert f'href="{path}">{headline}</a>' in cut_section(await anna.read("/"), "Wird veröffentlicht")
    asked = await open_withdrawal(anna, path)
    assert f"<strong>{headline}</strong>" in asked
    assert "Wer sie noch nicht hat, bekommt sie nicht mehr." in asked
    refused = await anna.browser.fill_in(f"{path}/zurueckziehen", f"{path}/zurueckziehen", reason="Siehe example.org")
    assert (refused.status, "eine fremde Internetadresse" in refused.text) == (422, True)
    assert "Siehe example.org</textarea>" in refused.text
    withdrawn = await anna.browser.fill_in(f"{path}/zurueckziehen", f"{path}/zurueckziehen", reason="Fällt aus.")
    shown = await anna.read(withdrawn.location)
    for words in ("Das Zurückziehen wird übergeben.", "Sie müssen nichts tun."):
        assert words in shown
    assert "geht auch dann genau einmal hinaus" not in shown, "it is about the withdrawal, not about the notice"
    subjects = "select body ->> 'subject' from newsroom.publication where draft = any($1)"
    drafts = [parse_draft_id(each) for each in (path, withdrawn.location)]
    first, second = await anna.owner.fetch(subjects, drafts)
    assert first == second, "the outbox sends the withdrawal first"
    assert "Die Meldung wird zurückgezogen." in await anna.read(path)
    lists = cut_section(await anna.read("/"), "Wird zurückgezogen"), await anna.read("/aussendungen")
    for shown in lists:
        assert (shown.count(headline), f'href="{withdrawn.location}">{headline}</a>' in shown) == (1, True)
        assert ">wird zurückgezogen</span>" in shown.split(headline)[1].split("</li>")[0]
    await anna.owner.execute(_CONFIRM, parse_draft_id(withdrawn.location))
    assert headline not in await anna.read("/aussendungen")


async def test_a_withdrawal_is_on_record_and_its_page_leads_to_the_broadcasts_and_to_the_all_clear(
    anna: WritingHarness, browser: EditorBrowser
) -> None:
    path = await anna.publish_in_emergency(headline="K 4 gesperrt")
    broadcast = await become_broadcast(anna.owner, path, **_DONE)
    withdrawal, words = await anna.withdraw(path, "Falsche <Straße>."), "Falsche &lt;Straße&gt;."
    log = await browser.read("/protokoll")
    assert f"Grund: {words}" in log.split(">Meldung zurückgezogen</td>")[1].split("</tr>")[0]
    shown = await anna.read(withdrawal)
    assert ">wird zurückgezogen</span>" in shown
    history = cut_section(shown, "Verlauf")
    assert re.search(rf"Zurückgezogen von Mina m-\w+, [^<]+ Uhr: „{words}“</li>", history)

    page = f"/aussendungen/{broadcast}"
    assert words not in await anna.read(page), "it has not arrived"
    await anna.owner.execute(_CONFIRM, parse_draft_id(withdrawal))
    await record_withdrawal(anna.owner, path)
    assert f": „{words}“</p>" in await anna.read(page)
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", await anna.read(f"{page}/nachweis")))
    assert facts["Grund des Zurückziehens"] == words
    assert facts["Zurückgezogen von"].startswith("Mina m-")
    shown = await anna.read(withdrawal)
    assert (">zurückgezogen</span>" in shown, ">veröffentlicht</span>" in shown) == (True, False)
    for words in (f'href="{page}">', "zurückgezogene Meldung", f'action="{path}/folgemeldung"'):
        assert words in shown
    listed = await anna.read("/entwuerfe")
    for each in (path, withdrawal):
        assert ">zurückgezogen</span>" in listed.split(f'href="{each}">')[1].split("</li>")[0]

    notice = await find_notice(anna.owner, await anna.begin_from(path, "folgemeldung"))
    later = await add_broadcast(anna.owner, source=_OURS, notice=notice, headline="K 4 ist frei")
    shown = await anna.read(withdrawal)
    assert f'href="/aussendungen/{later}">K 4 ist frei</a>' in shown
    assert "Folgemeldung, 1. Fassung" in shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (_DONE, "Alle haben sie schon: Schreiben Sie eine Entwarnung."),
        ({}, "Wer sie noch nicht hat, bekommt sie nicht mehr."),
    ],
)
async def test_the_page_of_a_withdrawal_is_told_of_it_and_where_everybody_has_the_notice_asks_for_an_all_clear(
    anna: WritingHarness, changes: dict[str, object], words: str
) -> None:
    path = await anna.publish_in_emergency()
    await become_broadcast(anna.owner, path, **changes)
    withdrawal = await anna.withdraw(path)
    assert "data-reload" in await anna.read(withdrawal)
    await anna.owner.execute(_CONFIRM, parse_draft_id(withdrawal))
    shown = await anna.read(withdrawal)
    assert words in shown.split("Die Meldung ist zurückgezogen.")[1].split("</p>")[0]
    assert ("data-stream" in shown, "refresh" in shown) == (False, False)


async def test_what_was_withdrawn_before_it_began_neither_begins_nor_was_sent(anna: WritingHarness) -> None:
    headline, planned = f"Fall {uuid4().hex[:12]}", datetime(2030, 1, 8, 6, 30, tzinfo=UTC)
    withdrawn = {"states": "{}", "started_at": None, "scheduled_at": planned, "cancelled_at": datetime.now(UTC)}
    broadcast = await add_broadcast(anna.owner, headline=headline, **withdrawn)
    overview, page = [await anna.read(path) for path in ("/", f"/aussendungen/{broadcast}")]
    assert (headline in overview, headline in page, "beginnt" in page) == (False, True, False)


@pytest.mark.parametrize(("settle", "words"), [(_CONFIRM, "Die Meldung ist übergeben."), (_REJECT, "event: end")])
async def test_the_stream_of_a_handover_tells_each_change_and_ends_with_it(
    newsroom: NewsroomProcess, anna: WritingHarness, settle: str, words: str
) -> None:
    path = await anna.publish_in_emergency()
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        async with anna.browser.session.get(f"{newsroom.url}{path}/strom") as response:
            async for line in response.content:
                if "Der Dienst für Meldungen antwortet noch nicht." in line.decode():
                    break
            await newsroom.owner.execute(settle, parse_draft_id(path))
            told = (await response.content.read()).decode()
    assert (words in told, told.endswith("event: end\ndata:\n\n")) == (True, True)


async def test_what_was_never_handed_over_has_no_stream(anna: WritingHarness) -> None:
    assert (await anna.browser.open(f"{await anna.begin()}/strom")).status == 404


async def test_only_without_script_a_page_is_loaded_anew_by_itself_and_none_of_these_asks_for_words(
    anna: WritingHarness,
) -> None:
    path = await anna.publish_in_emergency()
    waiting = await anna.read(path)
    assert f'data-stream="{path}/strom" data-reload' in waiting
    sending = await anna.read(f"/aussendungen/{await become_broadcast(anna.owner, path)}")
    for shown in (waiting, sending):
        scripted = re.sub("<noscript>.*?</noscript>", "", shown, flags=re.DOTALL)
        assert ('http-equiv="refresh"' in shown, 'http-equiv="refresh"' in scripted) == (True, False)
        assert "<textarea" not in shown, "it would be lost"
