"""Withdrawals: each is published when it is begun, or is nothing; one that comes back can be discarded.

What was withdrawn says so wherever its broadcast is shown.
"""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.newsroom.domain.progress import BroadcastPhase
from shared.contracts.events import BroadcastCancelled, BroadcastFinished, NoticeAccepted, NoticeAction
from shared.runtime.clock import system_clock
from tests.harness.newsroom import EditorBrowser, NewsroomProcess
from tests.harness.writing_desk import WritingDesk, add_broadcast, become_broadcast, read_state
from tests.integration.newsroom.writing_store import SOURCE, Store

_FAIL = """
    create function newsroom.fail() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
    create trigger fail before insert on newsroom.publication for each row execute function newsroom.fail();
"""
_REJECT = """
    with rejected as (
        update newsroom.publication set state = 'rejected', answered_at = now(),
            problems = '[{"field": "subject", "problem": "there is no such notice"}]'
        where draft = $1 returning draft)
    update newsroom.draft set state = 'returned' from rejected where id = draft
"""


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


async def test_a_withdrawal_that_was_rejected_is_discarded_by_whoever_began_it(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await anna.begin()
    await anna.act(path, "einreichen")
    await ben.act(path, "freigeben")
    await anna.act(path, "veroeffentlichen")
    withdrawal = (await anna.send(path, "zurueckziehen", 2, {"reason": "Fällt aus."})).location
    await newsroom.owner.execute(_REJECT, UUID(withdrawal.split("/")[2]))
    assert "/verwerfen" not in (await ben.browser.open(withdrawal)).text
    shown = await anna.browser.open(withdrawal)
    assert f'action="{withdrawal}/verwerfen"' in shown.text
    assert "bearbeiten" not in shown.text  # nobody edits a withdrawal
    assert "Die Meldung gilt weiter." in shown.text
    assert "Meldung: Bitte prüfen (there is no such notice)." in shown.text
    check = (await anna.browser.open(f"{withdrawal}/pruefung")).text
    assert [words in check for words in ("bearbeiten", f"{withdrawal}/testen")] == [False, False]
    discarded = await anna.send(withdrawal, "verwerfen", shown.read_value("version"))
    assert discarded.location == f"{withdrawal}?erledigt=verworfen"
    assert await read_state(newsroom.owner, withdrawal) == ("discarded", 1)


_OURS = "/landkreis-osterholz/redaktion"
_NOON = datetime(2026, 11, 28, 11, tzinfo=UTC)
_DONE: dict[str, object] = {"states": '{"delivered": 9, "read": 1}', "finished_at": _NOON}


async def publish_in_emergency(newsroom: NewsroomProcess, desk: WritingDesk, **changes: Any) -> tuple[UUID, str]:
    """The broadcast that a new draft became, and the id of its notice."""
    path, notice = await desk.begin(urgent="1"), uuid4().hex
    assert (await desk.send(path, "notfall", 2, {"reason": "Bombenfund"})).status == 303
    broadcast = await add_broadcast(newsroom.owner, notice=notice, headline=f"Fall {notice}", **changes)
    become = "update newsroom.publication set broadcast = $2 where draft = $1"
    await newsroom.owner.execute(become, UUID(path.split("/")[2]), broadcast)
    return broadcast, notice


async def withdraw(newsroom: NewsroomProcess, notice: str, source: str = "/landkreis-osterholz/pressestelle") -> None:
    add = "insert into newsroom.withdrawn_notice (source, notice, at) values ($1, $2, $3)"
    await newsroom.owner.execute(add, source, notice, _NOON)


async def open_withdrawal(desk: WritingDesk, page: str) -> str:
    """The page to which "Meldung zurückziehen" leads."""
    (link,) = re.findall('href="(/entwuerfe/[^"]+/zurueckziehen)"', (await desk.browser.open(page)).text)
    return (await desk.browser.open(link)).text


@pytest.mark.parametrize("changes", [_DONE, {"cancelled_at": _NOON}, {"states": "{}", "cancelled_at": _NOON}])
async def test_what_was_withdrawn_says_so_everywhere(
    newsroom: NewsroomProcess, anna: WritingDesk, changes: dict[str, object]
) -> None:
    broadcast, notice = await publish_in_emergency(newsroom, anna, **changes)
    path = f"/aussendungen/{broadcast}"
    pages = ("/", "/aussendungen", path, f"{path}/nachweis")
    badge = ">zurückgezogen</span>"
    before = [(await anna.browser.open(page)).text for page in pages]
    await withdraw(newsroom, notice)
    after = [(await anna.browser.open(page)).text for page in pages]
    for shown, expected in ((before, False), (after, True)):
        lists = [text.split(f"Fall {notice}</a>")[1].split("</li>")[0] for text in shown[:2]]
        assert [badge in text for text in (*lists, *shown[2:])] == [expected] * 4
    assert "<dt>Zurückgezogen</dt><dd>28.11.2026, 12:00 Uhr" in after[3]
    assert "zurückgezogen;28. November 2026, 12:00 Uhr" in (await anna.browser.open(f"{path}/nachweis.csv")).text


async def test_what_was_withdrawn_is_neither_corrected_nor_withdrawn_nor_sent_again(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    failed = {**_DONE, "states": '{"delivered": 9, "failed": 1}'}
    broadcast, notice = await publish_in_emergency(newsroom, anna, **failed)
    acts = ("/korrigieren", "/zurueckziehen", "/nachsenden", "/folgemeldung", "/kopieren")
    for expected in ((True,) * 5, (False, False, False, True, True)):
        shown = (await anna.browser.open(f"/aussendungen/{broadcast}")).text
        assert tuple(f'{act}"' in shown for act in acts) == expected
        if expected[0]:
            await withdraw(newsroom, notice)


async def test_a_withdrawal_says_what_it_changes(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    told: list[tuple[dict[str, object], str]] = [
        ({}, "Wer sie noch nicht hat, bekommt sie nicht mehr."),
        (_DONE, "Alle haben sie schon: Zurückziehen ändert daran nichts. Schreiben Sie eine Entwarnung."),
        ({**_DONE, "states": '{"read": 9, "failed": 1}'}, "Niemand wartet mehr auf sie, und wer sie hat, behält sie."),
    ]
    for changes, words in told:
        broadcast, _ = await publish_in_emergency(newsroom, anna, **changes)
        shown = await open_withdrawal(anna, f"/aussendungen/{broadcast}")
        assert [each in shown for _, each in told] == [each == words for _, each in told]
        assert "Im Archiv bleibt die Meldung mit dem Vermerk „Zurückgezogen“ lesbar." in shown
    planned, _ = await publish_in_emergency(newsroom, anna, started_at=None, states="{}")
    assert "Im Archiv" not in await open_withdrawal(anna, f"/aussendungen/{planned}"), "it comes with the start"


async def test_the_notice_of_another_system_with_the_same_id_was_not_withdrawn(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    broadcast, notice = await publish_in_emergency(newsroom, anna, **_DONE)
    await withdraw(newsroom, notice, source="/landkreis-osterholz/bauamt")
    assert "/zurueckziehen" in (await anna.browser.open(f"/aussendungen/{broadcast}")).text


async def test_the_page_of_a_withdrawal_leads_to_the_broadcasts_and_to_the_all_clear(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    path = await anna.begin(urgent="1", headline="K 4 gesperrt")
    assert (await anna.send(path, "notfall", 2, {"reason": "Bombenfund"})).status == 303
    broadcast = await become_broadcast(newsroom.owner, path, **_DONE)
    withdrawal = (await anna.send(path, "zurueckziehen", 2, {"reason": "Falsche Straße."})).location
    subject = await newsroom.owner.fetchval("select notice from newsroom.draft where id = $1", UUID(path.split("/")[2]))
    shown = (await anna.browser.open(withdrawal)).text
    assert ">wird zurückgezogen</span>" in shown
    await withdraw(newsroom, subject, source=_OURS)
    shown = (await anna.browser.open(withdrawal)).text
    assert (">zurückgezogen</span>" in shown, ">veröffentlicht</span>" in shown) == (True, False)
    assert f'href="/aussendungen/{broadcast}">' in shown
    assert "zurückgezogene Meldung" in shown
    assert f'action="{path}/folgemeldung"' in shown
    listed = (await anna.browser.open("/entwuerfe")).text
    for each in (path, withdrawal):
        assert ">zurückgezogen</span>" in listed.split(f'href="{each}">')[1].split("</li>")[0]

    all_clear = (await anna.send(path, "folgemeldung", 2)).location.partition("?")[0]
    notice = await newsroom.owner.fetchval(
        "select notice from newsroom.draft where id = $1", UUID(all_clear.split("/")[2])
    )
    later = await add_broadcast(newsroom.owner, source=_OURS, notice=notice, headline="K 4 ist frei")
    shown = (await anna.browser.open(withdrawal)).text
    assert f'href="/aussendungen/{later}">K 4 ist frei</a>' in shown
    assert "Folgemeldung, 1. Fassung" in shown


async def test_what_waits_for_the_notices_api_is_found_on_the_overview_and_withdrawn(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    headline = f"Fall {uuid4().hex[:12]}"
    path = await anna.begin(urgent="1", headline=headline)
    assert (await anna.send(path, "notfall", 2, {"reason": "Bombenfund"})).status == 303
    under_way = (await anna.browser.open("/")).text.split(">Wird veröffentlicht</h2>")[1].split("</section>")[0]
    assert f'href="{path}">{headline}</a>' in under_way
    asked = await open_withdrawal(anna, path)
    assert f"<strong>{headline}</strong>" in asked
    assert "Wer sie noch nicht hat, bekommt sie nicht mehr." in asked
    refused = await anna.browser.fill_in(f"{path}/zurueckziehen", f"{path}/zurueckziehen", reason="Siehe example.org")
    assert (refused.status, "eine fremde Internetadresse" in refused.text) == (422, True)
    assert "Siehe example.org</textarea>" in refused.text
    withdrawn = await anna.browser.fill_in(f"{path}/zurueckziehen", f"{path}/zurueckziehen", reason="Fällt aus.")
    assert "Das Zurückziehen wird übergeben." in (await anna.browser.open(withdrawn.location)).text
    subjects = "select body ->> 'subject' from newsroom.publication where draft = any($1) order by created_at"
    drafts = [UUID(each.split("/")[2]) for each in (path, withdrawn.location)]
    first, second = await newsroom.owner.fetch(subjects, drafts)
    assert first == second, "the outbox keeps their order"


_RECORD = "select object, detail ->> 'reason' from newsroom.audit where action = 'draft.withdrawn' and object = $1"


async def test_a_withdrawal_is_on_record_with_who_and_why(
    newsroom: NewsroomProcess, anna: WritingDesk, browser: EditorBrowser
) -> None:
    path = await anna.begin(urgent="1")
    assert (await anna.send(path, "notfall", 2, {"reason": "Bombenfund"})).status == 303
    broadcast = await become_broadcast(newsroom.owner, path, **_DONE)
    withdrawal = (await anna.send(path, "zurueckziehen", 2, {"reason": "Falsche <Straße>."})).location
    subject = await newsroom.owner.fetchval("select notice from newsroom.draft where id = $1", UUID(path.split("/")[2]))
    rows = [tuple(row) for row in await newsroom.owner.fetch(_RECORD, subject)]
    assert rows == [(subject, "Falsche <Straße>.")]
    log = (await browser.open("/protokoll")).text
    assert "Grund: Falsche &lt;Straße&gt;." in log.split(">Meldung zurückgezogen</td>")[1].split("</tr>")[0]
    history = (await anna.browser.open(withdrawal)).text.split(">Verlauf</h2>")[1]
    assert re.search(r"Zurückgezogen von Mina m-\w+, [^<]+ Uhr: „Falsche &lt;Straße&gt;.“</li>", history)

    page, certificate = f"/aussendungen/{broadcast}", f"/aussendungen/{broadcast}/nachweis"
    words = "Falsche &lt;Straße&gt;."
    assert words not in (await anna.browser.open(page)).text, "it has not arrived"
    await newsroom.owner.execute(_CONFIRM, UUID(withdrawal.split("/")[2]))
    await withdraw(newsroom, subject, source=_OURS)
    assert f": „{words}“</p>" in (await anna.browser.open(page)).text
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", (await anna.browser.open(certificate)).text))
    table = dict(line.split(";", 1) for line in (await anna.browser.open(f"{certificate}.csv")).text.splitlines())
    assert (facts["Grund des Zurückziehens"], table["Grund des Zurückziehens"]) == (words, "Falsche <Straße>.")
    assert facts["Zurückgezogen von"] == table["Zurückgezogen von"]
    assert facts["Zurückgezogen von"].startswith("Mina m-")


async def test_what_another_system_has_withdrawn_has_neither_name_nor_reason(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    broadcast, notice = await publish_in_emergency(newsroom, anna, **_DONE)
    await withdraw(newsroom, notice)
    for page in (f"/aussendungen/{broadcast}", f"/aussendungen/{broadcast}/nachweis"):
        shown = (await anna.browser.open(page)).text
        assert ("Zurückgezogen von" in shown, "None" in shown) == (False, False)


_CONFIRM = """
    update newsroom.publication set state = 'accepted', answered_at = now(), confirmed_at = now() where draft = $1
"""


async def test_right_after_the_button_the_page_speaks_of_the_withdrawal_and_not_of_the_notice(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    path = await anna.begin(urgent="1")
    assert (await anna.send(path, "notfall", 2, {"reason": "Bombenfund"})).status == 303
    await become_broadcast(newsroom.owner, path)
    withdrawal = (await anna.send(path, "zurueckziehen", 2, {"reason": "Falsche Straße."})).location
    shown = (await anna.browser.open(withdrawal)).text
    assert "Das Zurückziehen wird übergeben." in shown
    assert "Es gilt, sobald es angekommen ist; Sie müssen nichts tun." in shown
    assert "geht auch dann genau einmal hinaus" not in shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (_DONE, "Alle haben sie schon: Schreiben Sie eine Entwarnung."),
        ({}, "Wer sie noch nicht hat, bekommt sie nicht mehr."),
    ],
)
async def test_where_everybody_has_the_notice_its_withdrawal_asks_for_an_all_clear(
    newsroom: NewsroomProcess, anna: WritingDesk, changes: dict[str, object], words: str
) -> None:
    path = await anna.begin(urgent="1")
    assert (await anna.send(path, "notfall", 2, {"reason": "Bombenfund"})).status == 303
    await become_broadcast(newsroom.owner, path, **changes)
    withdrawal = (await anna.send(path, "zurueckziehen", 2, {"reason": "Falsche Straße."})).location
    await newsroom.owner.execute(_CONFIRM, UUID(withdrawal.split("/")[2]))
    shown = (await anna.browser.open(withdrawal)).text.split("Die Meldung ist zurückgezogen.")[1].split("</p>")[0]
    assert words in shown


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
    first, second = sorted(await store.statuses.find_all(broadcasts), key=lambda status: status.id)
    assert (first.phase, second.phase) == (BroadcastPhase.CANCELLED, BroadcastPhase.FINISHED)
    for status in (first, second):
        assert (status.withdrawn_at, status.phase_name) == (at, "zurückgezogen")
    assert list(await store.statuses.list_newest(2)) == [first, second]


async def test_what_was_withdrawn_before_it_began_neither_begins_nor_was_sent(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    headline, planned = f"Fall {uuid4().hex[:12]}", datetime(2030, 1, 8, 6, 30, tzinfo=UTC)
    withdrawn = {"states": "{}", "started_at": None, "scheduled_at": planned, "cancelled_at": datetime.now(UTC)}
    broadcast = await add_broadcast(newsroom.owner, headline=headline, **withdrawn)
    overview, page = [(await anna.browser.open(path)).text for path in ("/", f"/aussendungen/{broadcast}")]
    assert (headline in overview, headline in page, "beginnt" in page) == (False, True, False)
