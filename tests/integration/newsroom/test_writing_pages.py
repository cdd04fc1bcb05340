"""Writing, approving and watching in a browser, and everything that somebody may try there."""

import asyncio
import json
import re
from collections.abc import AsyncIterable
from datetime import UTC, datetime
from html import unescape
from uuid import UUID, uuid4

import pytest

from services.newsroom.domain.accounts import Role
from tests.harness.newsroom import EditorBrowser, NewsroomProcess
from tests.harness.writing_desk import (
    WritingDesk,
    add_broadcast,
    build_fields,
    count_publications,
    read_state,
)
from tests.servers import WAIT_TIMEOUT_SECONDS

ACTS = (
    "einreichen",
    "freigeben",
    "zurueckgeben",
    "veroeffentlichen",
    "notfall",
    "nachpruefen",
    "verwerfen",
    "kopieren",
    "korrigieren",
    "folgemeldung",
    "zurueckziehen",
)
BOTH = (Role.EDITOR, Role.APPROVER)


async def test_one_writes_another_approves(newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk) -> None:
    path = await anna.begin()
    assert (await anna.act(path, "einreichen")).location == f"{path}?erledigt=eingereicht"
    assert (await ben.act(path, "freigeben")).status == 303
    assert await read_state(newsroom.owner, path) == ("approved", 2)


async def test_own_notices_are_approved_by_nobody_who_wrote_them(newsroom: NewsroomProcess) -> None:
    """Neither by a form that no page shows, nor by a second account of the same human."""
    member = await newsroom.add_member(*BOTH)
    again = await newsroom.add_member(*BOTH, person=member.account.person)
    async with newsroom.open_browser(member) as first, newsroom.open_browser(again) as second:
        path = await WritingDesk(browser=first).begin()
        await WritingDesk(browser=first).act(path, "einreichen")
        for browser in (first, second):
            assert "/freigeben" not in (await browser.open(f"{path}/pruefung")).text
            refused = await WritingDesk(browser=browser).send(path, "freigeben", 2)
            assert refused.status == 422
            assert "andere Person" in refused.text
    assert await read_state(newsroom.owner, path) == ("pending", 2)
    assert await newsroom.owner.fetchval("select count(*) from newsroom.decision where verdict = 'approve'") == (
        await newsroom.owner.fetchval(
            "select count(*) from newsroom.decision e join newsroom.draft_version v on v.draft = e.draft"
            " and v.version = e.version join newsroom.account a on a.id = v.author"
            " where verdict = 'approve' and a.person <> e.person"
        )
    )


async def test_an_approval_does_not_cover_what_is_edited_afterwards(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await anna.begin()
    await anna.act(path, "einreichen")
    await ben.act(path, "freigeben")
    await anna.save(path, headline="Etwas anderes")
    assert await read_state(newsroom.owner, path) == ("draft", 3)
    assert (await anna.send(path, "veroeffentlichen", 2)).status == 409
    refused = await anna.send(path, "veroeffentlichen", 3)
    assert refused.status == 422
    assert "zweite Person" in refused.text
    assert (await ben.send(path, "freigeben", 2)).status == 409
    assert await count_publications(newsroom.owner, path) == 0


async def test_two_who_write_at_once_see_both_versions(
    newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk
) -> None:
    path = await anna.begin()
    assert (await ben.save(path, version="2", text="Worte von Ben.")).status == 303
    conflict = await anna.save(path, version="2", text="Worte von Anna.", municipalities=["Grasberg", "Worpswede"])
    assert conflict.status == 409
    for words in ("Worte von Ben.", "Worte von Anna.", "Grasberg"):
        assert words in conflict.text
    assert await read_state(newsroom.owner, path) == ("draft", 3)
    merged = await anna.browser.send(
        path, build_fields(text="Worte von beiden.", version=conflict.read_value("version")), csrf=conflict.csrf
    )
    assert merged.status == 303
    versions = (await anna.browser.open(f"{path}/staende")).text
    assert "Worte von Ben." in versions
    assert "Worte von beiden." in versions


async def test_saving_in_the_background_tells_the_version_or_the_conflict(anna: WritingDesk, ben: WritingDesk) -> None:
    path = await anna.begin()
    shown = await anna.browser.open(path)
    fields = build_fields(then="autosave", text="Neu.", version=2)
    saved = await anna.browser.send(path, fields, csrf=shown.csrf)
    assert (saved.status, json.loads(saved.text)) == (200, {"version": 3})
    theirs = await ben.browser.open(path)
    late = await ben.browser.send(path, {**fields, "text": "Zu spät."}, csrf=theirs.csrf)
    assert (late.status, json.loads(late.text)) == (409, {"conflict": path})


async def test_a_return_says_why_and_an_edit_is_needed(anna: WritingDesk, ben: WritingDesk) -> None:
    path = await anna.begin()
    await anna.act(path, "einreichen")
    assert (await ben.act(path, "zurueckgeben", {"reason": " "})).status == 422
    assert (await ben.act(path, "zurueckgeben", {"reason": "Wann endet es?"})).status == 303
    assert "Wann endet es?" in (await anna.browser.open(path)).text
    assert (await anna.act(path, "einreichen")).status == 422


async def test_problems_are_named_at_their_fields(anna: WritingDesk) -> None:
    path = await anna.begin(headline="", link="https://example.org/x", then="check")
    shown = await anna.browser.open(f"{path}?pruefen=1")
    for name in ("headline", "link"):
        assert f'id="{name}-error"' in shown.text
    assert "Bitte füllen Sie dieses Feld aus." in shown.text
    assert 'id="text-error"' not in shown.text


@pytest.mark.parametrize("name", ACTS)
async def test_no_act_is_reached_by_get(newsroom: NewsroomProcess, anna: WritingDesk, name: str) -> None:
    path = await anna.begin()
    # The page that asks why exists, but not of a draft.
    status = 422 if name == "zurueckziehen" else 405
    assert (await anna.browser.open(f"{path}/{name}?version=2&reason=x")).status == status
    assert await read_state(newsroom.owner, path) == ("draft", 2)


@pytest.mark.parametrize("name", ["", *(f"/{name}" for name in ACTS)])
async def test_who_only_operates_does_nothing_to_a_notice(
    newsroom: NewsroomProcess, anna: WritingDesk, name: str
) -> None:
    path = await anna.begin()
    member = await newsroom.add_member(Role.OPERATOR, Role.LEAD)
    async with newsroom.open_browser(member) as browser:
        csrf = (await browser.open("/entwuerfe")).csrf
        refused = await browser.send(f"{path}{name}", build_fields(version=2, reason="Darum."), csrf=csrf)
    assert refused.status in (403, 422)
    assert await read_state(newsroom.owner, path) == ("draft", 2)
    assert await count_publications(newsroom.owner, path) == 0


@pytest.mark.parametrize("suffix", ["", "/pruefung", "/staende"])
async def test_a_stranger_sees_no_draft_by_its_address(anna: WritingDesk, stranger: EditorBrowser, suffix: str) -> None:
    path = await anna.begin(headline="Geheim")
    shown = await stranger.open(path + suffix)
    assert shown.status == 303
    assert shown.location.startswith("/anmelden")
    assert "Geheim" not in shown.text


@pytest.mark.parametrize("suffix", ["", "/strom", "/nachweis", "/nachweis.csv"])
async def test_a_stranger_sees_no_broadcast_by_its_address(
    newsroom: NewsroomProcess, stranger: EditorBrowser, suffix: str
) -> None:
    broadcast = await add_broadcast(newsroom.owner)
    assert (await stranger.open(f"/aussendungen/{broadcast}{suffix}")).location.startswith("/anmelden")


@pytest.mark.parametrize(
    "path", ["/entwuerfe/{}", "/entwuerfe/{}/pruefung", "/aussendungen/{}", "/aussendungen/{}/strom"]
)
@pytest.mark.parametrize("name", ["", "x", "..%2f", "00000000-0000-0000-0000-000000000000", "%00"])
async def test_what_does_not_exist_is_not_found(anna: WritingDesk, path: str, name: str) -> None:
    assert (await anna.browser.open(path.format(name))).status == 404


HOSTILE = '"><script>alert(1)</script>{{ 123456 * 7 }}'


async def test_hostile_words_are_shown_as_words(anna: WritingDesk, ben: WritingDesk) -> None:
    path = await anna.begin(headline=HOSTILE, text=HOSTILE, link=HOSTILE, picture=HOSTILE)
    pages = [path, f"{path}/pruefung", f"{path}/staende", "/entwuerfe", "/"]
    texts = [(await anna.browser.open(page)).text for page in pages]
    conflict = await ben.save(path, version="1", headline=HOSTILE, text=HOSTILE)
    shown = await anna.browser.open(path)
    preview = await anna.browser.send("/vorschau", build_fields(headline=HOSTILE), csrf=shown.csrf)
    for text in (*texts, conflict.text, preview.text):
        assert "<script>alert" not in text
        assert "864192" not in text
    assert "&lt;script&gt;" in conflict.text


async def test_what_is_far_too_long_is_refused(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    path = await anna.begin()
    assert (await anna.save(path, text="x" * 3_000)).status == 422
    assert (await anna.save(path, text="x" * 100_000)).status == 413
    assert await read_state(newsroom.owner, path) == ("draft", 2)


async def test_nobody_discards_for_another(newsroom: NewsroomProcess, anna: WritingDesk, ben: WritingDesk) -> None:
    path = await anna.begin()
    assert (await ben.send(path, "verwerfen", 2)).status == 422
    assert (await anna.send(path, "verwerfen", 2)).status == 303
    assert await read_state(newsroom.owner, path) == ("discarded", 2)


async def read_event(lines: AsyncIterable[bytes]) -> str:
    """The data of the next event."""
    data = ""
    async for line in lines:
        text = line.decode()
        if text.startswith("data: "):
            data += text.removeprefix("data: ")
        elif data and not text.strip():
            return data
    return data


async def test_the_stream_tells_each_change_and_ends_with_the_broadcast(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    broadcast = await add_broadcast(newsroom.owner)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        async with anna.browser.session.get(f"{newsroom.url}/aussendungen/{broadcast}/strom") as response:
            assert response.headers["Content-Type"].startswith("text/event-stream")
            assert "6 von 10" in await read_event(response.content)
            change = "update newsroom.broadcast set states = $2, finished_at = now() where id = $1"
            await newsroom.owner.execute(change, broadcast, '{"delivered": 10}')
            assert "10 von 10" in await read_event(response.content)
            assert "event: end" in (await response.content.read()).decode()


async def test_the_stream_and_the_certificate_of_what_was_withdrawn_before_its_start_have_an_end(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    never = {"started_at": None, "states": "{}", "cancelled_at": datetime.now(UTC)}
    path = f"/aussendungen/{await add_broadcast(newsroom.owner, **never)}"
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS), anna.browser.session.get(f"{newsroom.url}{path}/strom") as told:
        assert "event: end" in (await told.content.read()).decode()
    table = (await anna.browser.open(f"{path}/nachweis.csv")).text
    assert "nicht mehr gesendet;10" in table
    assert "warten noch" not in table


async def test_a_revoked_session_ends_its_stream(newsroom: NewsroomProcess) -> None:
    broadcast = await add_broadcast(newsroom.owner)
    member = await newsroom.add_member(*BOTH)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS), newsroom.open_browser(member) as browser:
        async with browser.session.get(f"{newsroom.url}/aussendungen/{broadcast}/strom") as response:
            assert "6 von 10" in await read_event(response.content)
            await newsroom.owner.execute(
                "update newsroom.session set revoked_at = now() where account = $1", member.account.id
            )
            await response.content.read()
        change = "update newsroom.broadcast set audience = 11 where id = $1"
        await newsroom.owner.execute(change, broadcast)
        assert (await browser.open(f"/aussendungen/{broadcast}")).location.startswith("/anmelden")


async def test_the_certificate_adds_up_and_is_no_formula(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    broadcast = await add_broadcast(newsroom.owner, headline="=1+1")
    table = await anna.browser.open(f"/aussendungen/{broadcast}/nachweis.csv")
    assert table.headers["Content-Disposition"] == f'attachment; filename="nachweis-{broadcast}.csv"'
    rows = dict(line.split(";", 1) for line in table.text.splitlines())
    assert rows["Überschrift"] == "'=1+1"
    assert (rows["Empfänger"], rows["zugestellt"], rows["warten noch"]) == ("10", "6", "4")
    page = (await anna.browser.open(f"/aussendungen/{broadcast}/nachweis")).text
    assert "=1+1" in page


async def test_the_certificate_says_who_approved(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    approver = await newsroom.add_member(Role.APPROVER)
    path = await anna.begin()
    await anna.act(path, "einreichen")
    async with newsroom.open_browser(approver) as browser:
        await WritingDesk(browser=browser).act(path, "freigeben")
    await anna.act(path, "veroeffentlichen")
    draft, broadcast = UUID(path.split("/")[2]), await add_broadcast(newsroom.owner, headline=None, notice=None)
    await newsroom.owner.execute("update newsroom.publication set broadcast = $2 where draft = $1", draft, broadcast)

    async def read_certificate() -> str:
        return (await anna.browser.open(f"/aussendungen/{broadcast}/nachweis")).text

    shown = await read_certificate()
    assert "Nachweis: Aussendung" in shown
    assert f"<dt>Freigegeben</dt><dd>{approver.account.name}" in shown
    await newsroom.owner.execute("update newsroom.account set roles = '{lead}' where id = $1", approver.account.id)
    assert f"<dt>Freigegeben</dt><dd>{approver.account.name}" in await read_certificate()
    assert "gilt nicht" not in (await anna.browser.open(f"{path}/pruefung")).text
    await newsroom.owner.execute("update newsroom.draft set emergency = 'Bombenfund' where id = $1", draft)
    await newsroom.owner.execute("update newsroom.publication set approvals = '{}' where draft = $1", draft)
    assert "keine: im Notfall gesendet" in await read_certificate()


async def test_feedback_is_searched_and_exported(newsroom: NewsroomProcess, anna: WritingDesk) -> None:
    marks = [uuid4().hex for _ in range(2)]
    for mark in marks:
        await newsroom.owner.execute(
            "insert into newsroom.feedback (id, kind, text, at) values ($1, 'text', $2, now())",
            uuid4(),
            f"=Gut #{mark}",
        )
    shown = (await anna.browser.open(f"/rueckmeldungen?suche=%23{marks[0]}&art=text")).text
    assert marks[0] in shown
    assert f"=Gut #{marks[1]}" not in shown
    (link,) = re.findall(r'href="(/rueckmeldungen\.csv[^"]*)"', shown)
    table = (await anna.browser.open(unescape(link))).text
    assert f"'=Gut #{marks[0]}" in table
    assert marks[1] not in table
    assert (await anna.browser.open("/rueckmeldungen?aussendung=x")).status == 404


async def test_the_overview_shows_what_this_person_can_do(anna: WritingDesk, ben: WritingDesk) -> None:
    mark = uuid4().hex[:12]
    path = await anna.begin(headline=f"Fall {mark}")
    await anna.act(path, "einreichen")
    mine, theirs = (await anna.browser.open("/")).text, (await ben.browser.open("/")).text
    assert "Wartet auf Ihre Freigabe" in theirs
    assert mark in theirs.split("Wartet auf Ihre Freigabe")[1].split("<h2")[0]
    assert mark in mine.split("Wartet auf andere")[1].split("<h2")[0]


async def test_the_overview_tells_what_is_planned_being_sent_and_sent(
    newsroom: NewsroomProcess, anna: WritingDesk
) -> None:
    states: dict[str, dict[str, object]] = {
        "Geplant": {"states": "{}", "started_at": None, "scheduled_at": datetime(2030, 1, 7, 6, 30, tzinfo=UTC)},
        "Wird gerade gesendet": {},
        "Zuletzt gesendet": {"states": '{"delivered": 10}', "finished_at": datetime.now(UTC)},
    }
    for heading, changes in states.items():
        await add_broadcast(newsroom.owner, headline=f"Fall {heading}", **changes)
    shown = (await anna.browser.open("/")).text
    for heading in states:
        section = shown.split(f">{heading}</h2>")[1].split("<h2")[0]
        assert [each for each in states if f"Fall {each}<" in section] == [heading]
        assert ("· geplant für 07.01.2030, 07:30 Uhr" in section) == (heading == "Geplant")
