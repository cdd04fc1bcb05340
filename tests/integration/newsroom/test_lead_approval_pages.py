"""Amounts that only a lead approves, in browsers: what the pages say, and what forms that no page shows may do.

No notices API answers, so nobody knows what a notice costs, and it may be too much.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from deploy.paths import CONFIG
from services.newsroom.domain.accounts import Role
from tests.databases import FreshDatabase
from tests.harness.ledger_rows import add_sent_broadcast, count_states
from tests.harness.newsroom import EditorBrowser, NewsroomProcess, ShownPage, run_newsroom
from tests.harness.writing import (
    WritingHarness,
    count_publications,
    cut_section,
    format_local,
    parse_draft_id,
    read_state,
)

WORDS = "Jemand mit der Rolle Leitung muss die Meldung freigeben."


@pytest.fixture(scope="module")
async def newsroom(
    newsroom_broker: str, module_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NewsroomProcess]:
    """Two messages cost 0.09 euros, three 0.14."""
    folder = tmp_path_factory.mktemp("newsroom")
    rules = folder / "newsroom.toml"
    rules.write_text(f'{(CONFIG / "newsroom.toml").read_text()}\nlead_euros = "0.10"\n')
    settings = {"KREISFUNK_NEWSROOM_RULES_FILE": str(rules)}
    async with run_newsroom(newsroom_broker, module_database, folder, settings=settings) as running:
        yield running


async def test_after_the_approver_the_lead_is_asked(
    anna: WritingHarness, approver: WritingHarness, lead: WritingHarness
) -> None:
    path = await anna.begin(headline="Teure Meldung")
    await anna.act(path, "einreichen")
    assert WORDS in await anna.read(f"{path}/pruefung")
    # A lead alone may approve it, too.
    assert path in cut_section(await lead.read("/"), "Wartet auf Ihre Freigabe")
    approved = await approver.act(path, "freigeben")
    assert approved.status == 303
    told = await approver.read(approved.location)
    assert "Ihre Freigabe ist vermerkt. Jetzt fehlt noch die der Leitung." in told
    assert "Die Meldung ist freigegeben." not in told
    assert await read_state(anna.owner, path) == ("escalated", 2)
    check = await approver.read(f"{path}/pruefung")
    for words in (WORDS, "wartet auf die Leitung", "Sie haben diesen Stand schon freigegeben.", "mehr als 0,10 Euro"):
        assert words in check
    assert f"{path}/freigeben" not in check
    overview = await approver.read("/")
    assert path not in overview.partition("Wartet auf Ihre Freigabe")[2].split("<h2")[0]
    for editor in (anna, approver):
        for name in ("veroeffentlichen", "freigeben"):
            assert (await editor.send(path, name, 2)).status == 422
    assert "Teure Meldung" in cut_section(await lead.read("/"), "Wartet auf Ihre Freigabe")
    approved = await lead.act(path, "freigeben")
    assert await read_state(anna.owner, path) == ("approved", 2)
    told = await lead.read(approved.location)
    assert "Veröffentlichen kann sie jemand mit der Rolle Redaktion oder Freigabe." in told
    assert "Zum Veröffentlichen" not in told
    assert "mit ihren Kosten freigegeben von" in await anna.read(f"{path}/pruefung")
    assert (await lead.send(path, "veroeffentlichen", 2)).status == 403
    assert (await anna.act(path, "veroeffentlichen")).status == 303
    assert await count_publications(anna.owner, path) == 1


async def test_the_approval_of_somebody_who_is_no_lead_any_more_does_not_count(
    newsroom: NewsroomProcess, anna: WritingHarness, approver: WritingHarness
) -> None:
    path = await anna.begin()
    await anna.act(path, "einreichen")
    former = await newsroom.add_member(Role.LEAD)
    async with newsroom.open_browser(former) as browser:
        assert (await WritingHarness(browser=browser).act(path, "freigeben")).status == 303
    await newsroom.owner.execute("update newsroom.account set roles = '{approver}' where id = $1", former.account.id)
    await approver.send(path, "freigeben", 2)
    refused = await anna.send(path, "veroeffentlichen", 2)
    assert (refused.status, WORDS in refused.text) == (422, True)
    assert await count_publications(newsroom.owner, path) == 0


async def test_a_lead_reviews_what_was_sent_in_an_emergency(
    anna: WritingHarness, approver: WritingHarness, lead: WritingHarness
) -> None:
    path = await anna.publish_in_emergency()
    assert "prüft jemand mit der Rolle Leitung nachträglich" in await approver.read(f"{path}/pruefung")
    refused = await approver.send(path, "nachpruefen", 2)
    assert (refused.status, "Rolle Leitung" in refused.text) == (403, True)
    assert "Nachträglich zu prüfen" in await lead.read("/")
    assert (await lead.act(path, "nachpruefen")).status == 303


async def test_the_emergency_lane_is_offered_for_what_goes_out_at_once(anna: WritingHarness) -> None:
    later = format_local(datetime.now(UTC) + timedelta(hours=3))
    drafts = [await anna.begin(urgent="1", scheduled_at=moment) for moment in ("", later)]
    pages = [await anna.read(f"{path}/pruefung") for path in drafts]
    assert ["/notfall" in page for page in pages] == [True, False]
    refused = await anna.send(drafts[1], "notfall", 2, {"reason": "Bombenfund"})
    assert (refused.status, "Was geplant ist" in refused.text) == (422, True)


async def resend(browser: EditorBrowser, broadcast: UUID) -> ShownPage:
    csrf = (await browser.open("/entwuerfe")).csrf
    return await browser.send(f"/aussendungen/{broadcast}/nachsenden", {"reason": "Übung"}, csrf=csrf)


async def add_failed(newsroom: NewsroomProcess, told: int, failed: int) -> UUID:
    """Events have told of so many failures; of all of them only later."""
    broadcast = await add_sent_broadcast(newsroom.owner, {"failed": failed, "delivered": 1})
    states = f'{{"failed": {told}, "delivered": 1}}'
    await newsroom.owner.execute("update newsroom.broadcast set states = $2 where id = $1", broadcast, states)
    return broadcast


async def test_a_lead_sends_again_what_costs_a_lot(
    newsroom: NewsroomProcess, approver: WritingHarness, lead: WritingHarness
) -> None:
    broadcast = await add_failed(newsroom, 3, 3)
    page = f"/aussendungen/{broadcast}/nachsenden"
    assert page not in await approver.read(f"/aussendungen/{broadcast}")
    assert (await resend(approver.browser, broadcast)).status == 403
    assert page in await lead.read(f"/aussendungen/{broadcast}")
    assert "Das kostet etwa 0,14 Euro." in await lead.read(page)
    assert (await resend(lead.browser, broadcast)).status == 303
    assert await count_states(newsroom.owner, broadcast) == {"waiting": 3, "delivered": 1}


async def test_what_costs_more_than_the_page_said_is_not_sent_again(
    newsroom: NewsroomProcess, approver: WritingHarness, lead: WritingHarness
) -> None:
    """The ledger knows how many it is, in the transaction that sends."""
    grown, small = await add_failed(newsroom, 2, 3), await add_failed(newsroom, 2, 2)
    assert "nachsenden" in await approver.read(f"/aussendungen/{grown}")
    refused = await resend(approver.browser, grown)
    assert (refused.status, "Rolle Leitung" in refused.text) == (403, True)
    assert await count_states(newsroom.owner, grown) == {"failed": 3, "delivered": 1}
    assert (await resend(lead.browser, small)).status == 403
    assert await count_states(newsroom.owner, small) == {"failed": 2, "delivered": 1}
    assert (await resend(approver.browser, small)).status == 303


async def test_a_lead_does_not_send_an_own_notice_again_at_such_costs(newsroom: NewsroomProcess) -> None:
    member = await newsroom.add_member(Role.EDITOR)
    as_lead = newsroom.open_as(Role.LEAD, person=member.account.person)
    async with newsroom.open_browser(member) as first, as_lead as second:
        path = await WritingHarness(browser=first).publish_in_emergency()
        broadcast = await add_failed(newsroom, 3, 3)
        await newsroom.owner.execute(
            "update newsroom.publication set broadcast = $2 where draft = $1", parse_draft_id(path), broadcast
        )
        refused = await resend(second, broadcast)
    assert (refused.status, "andere Person" in refused.text) == (403, True)
    assert await count_states(newsroom.owner, broadcast) == {"failed": 3, "delivered": 1}
