"""Accounts: what gives somebody more rights needs a second person, what takes them away counts at once."""

import re
import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.newsroom.domain.accounts import Role
from tests.harness.newsroom import (
    ALL_ROLES,
    EditorBrowser,
    Member,
    NewsroomProcess,
    ShownPage,
    log_in,
)
from tests.harness.writing import WritingHarness
from tests.servers import connect_to_database

_HALF = re.compile(r"Teil: <code[^>]*>([\w-]+)</code>")


@pytest.fixture
async def second(newsroom: NewsroomProcess, colleague: Member) -> AsyncIterator[EditorBrowser]:
    """Browser of the other person who may manage accounts."""
    async with newsroom.open_browser(colleague) as opened:
        yield opened


async def invite(browser: EditorBrowser, login: str, **more: object) -> ShownPage:
    fields = {"name": "Nora Neu", "login": login, "roles": ["editor", "approver"], "same": "", **more}
    return await browser.fill_in("/einladung", "/einladung", **fields)


async def find_request(newsroom: NewsroomProcess, login: str) -> str:
    find = "select id from newsroom.account_request where login = $1 and decision is null"
    return str(await newsroom.owner.fetchval(find, login))


async def request_account(newsroom: NewsroomProcess, browser: EditorBrowser, **more: object) -> tuple[str, str]:
    """The login of somebody who was invited, and the request that waits for a second person."""
    login = f"neu-{secrets.token_hex(4)}"
    assert (await invite(browser, login, **more)).status == 200
    return login, await find_request(newsroom, login)


async def decide(browser: EditorBrowser, request: str, decision: str = "bestaetigen") -> ShownPage:
    return await browser.fill_in("/konten", f"/konten/antrag/{request}/{decision}")


def find_card(page: str, login: str) -> str:
    """The request of this login, as the page shows it."""
    return next(card for card in page.split("<li ")[1:] if f"Anmeldename <code>{login}</code>" in card)


async def read_roles(newsroom: NewsroomProcess, login: str) -> list[str] | None:
    find = "select roles from newsroom.account where login = $1"
    roles: list[str] | None = await newsroom.owner.fetchval(find, login)
    return roles


async def test_an_invitation_counts_when_a_second_person_confirms_it(
    newsroom: NewsroomProcess, member: Member, browser: EditorBrowser, colleague: Member, second: EditorBrowser
) -> None:
    """Each of them has half of the password; the audit tells who did what, and no secret."""
    login = f"neu-{secrets.token_hex(4)}"
    halves = [_HALF.search((await invite(browser, login)).text)]
    assert await read_roles(newsroom, login) is None
    halves.append(_HALF.search((await decide(second, await find_request(newsroom, login))).text))
    assert await read_roles(newsroom, login) == ["approver", "editor"]
    one, other = [found[1] for found in halves if found]
    statuses = []
    for password in (one, other, other + one, one + other):
        async with newsroom.open_browser() as guest:
            statuses.append((await log_in(guest, login, password=password)).status)
    assert statuses == [403, 403, 403, 303]
    told = [action for action, subject in await newsroom.read_audit() if subject == login]
    assert told == ["account_request.made", "account_request.confirmed", "account.invite", "session.opened"]
    shown = await browser.read("/protokoll")
    for text in (member.account.name, colleague.account.name, "Antrag gestellt", "Antrag bestätigt", login):
        assert text in shown
    details = await newsroom.owner.fetch("select detail::text from newsroom.audit where object = $1", login)
    assert not [row for row in details if "sealed" in row["detail"]]


async def test_a_request_is_on_the_overview_of_whoever_can_decide_it(
    newsroom: NewsroomProcess, browser: EditorBrowser, second: EditorBrowser, anna: WritingHarness
) -> None:
    name = f"Frau {secrets.token_hex(4)}"
    await request_account(newsroom, browser, name=name)
    pages = [await each.read("/") for each in (browser, second, anna)]
    assert [f"Neues Konto: {name}" in page for page in pages] == [False, True, False]


async def test_nobody_confirms_what_they_requested_or_what_gives_them_rights(
    newsroom: NewsroomProcess, member: Member, browser: EditorBrowser, colleague: Member, second: EditorBrowser
) -> None:
    """Not with a second account, either."""
    login = colleague.account.login
    requested = await browser.fill_in(f"/konto/{login}", f"/konto/{login}/rollen", roles=["lead", "approver"])
    assert requested.location == "/konten?erledigt=beantragt"
    request = await find_request(newsroom, login)
    for browsing in (browser, second):
        assert (await decide(browsing, request)).status == 403
    for person in (member, colleague):
        async with newsroom.open_as(*ALL_ROLES, person=person.account.person) as opened:
            assert (await decide(opened, request)).status == 403
    assert await read_roles(newsroom, login) == ["lead"]
    async with newsroom.open_as(Role.OPERATOR) as opened:
        assert (await decide(opened, request)).location == "/konten?erledigt=bestaetigt"
    assert await read_roles(newsroom, login) == ["approver", "lead"]


async def test_an_account_of_the_same_person_may_be_invited_as_such(
    newsroom: NewsroomProcess, browser: EditorBrowser, member: Member, second: EditorBrowser
) -> None:
    login, request = await request_account(newsroom, browser, same=member.account.login)
    other, _ = await request_account(newsroom, browser)
    page = await second.read("/konten")
    assert f"{member.account.name} (<code>{member.account.login}</code>)" in find_card(page, login)
    assert "und kann deshalb freigeben, was alle anderen Konten schreiben." in find_card(page, other)
    await decide(second, request)
    person = await newsroom.owner.fetchval("select person from newsroom.account where login = $1", login)
    assert person == member.account.person


async def test_a_request_is_decided_once(
    newsroom: NewsroomProcess, browser: EditorBrowser, second: EditorBrowser
) -> None:
    login, request = await request_account(newsroom, browser)
    assert (await decide(second, request, "ablehnen")).location == "/konten?erledigt=abgelehnt"
    assert [(await decide(second, request, each)).status for each in ("bestaetigen", "ablehnen")] == [409, 409]
    assert await read_roles(newsroom, login) is None
    _, own = await request_account(newsroom, browser)
    assert (await decide(browser, own, "ablehnen")).status == 303, "whoever requested may take it back"


async def test_whoever_presses_twice_reads_how_the_password_is_replaced(
    newsroom: NewsroomProcess, browser: EditorBrowser, second: EditorBrowser
) -> None:
    """Of the second response they see no half of the password."""
    login, request = await request_account(newsroom, browser)
    again = await invite(browser, login)
    assert (again.status, "wartet schon ein Antrag" in again.text) == (422, True)
    assert "Ziehen Sie den Antrag unter „Konten“ zurück" in again.text
    assert (await decide(second, request)).status == 200
    again = await decide(second, request)
    assert (again.status, "Bitten Sie den Betrieb um ein neues Kennwort" in again.text) == (409, True)
    refused = await decide(second, request, "ablehnen")
    assert (refused.status, "neues Kennwort" in refused.text) == (409, False)
    assert f"users reset {login}" in await second.read(f"/konto/{login}")


async def test_a_login_that_was_taken_meanwhile_creates_nothing(
    newsroom: NewsroomProcess, browser: EditorBrowser, second: EditorBrowser
) -> None:
    login, request = await request_account(newsroom, browser)
    taken = await newsroom.add_member(Role.EDITOR)
    await newsroom.owner.execute("update newsroom.account set login = $2 where id = $1", taken.account.id, login)
    assert (await decide(second, request)).status == 409
    assert await read_roles(newsroom, login) == ["editor"]
    assert await find_request(newsroom, login) == request


async def test_what_an_account_has_already_is_not_requested(
    newsroom: NewsroomProcess, browser: EditorBrowser, colleague: Member
) -> None:
    login = colleague.account.login
    page = f"/konto/{login}"
    for refused, words in (
        (await invite(browser, login), "Diesen Anmeldenamen gibt es schon."),
        (await invite(browser, "../x"), "Der Anmeldename braucht 2 bis 40 Zeichen"),
        (await invite(browser, "nie.da", name=" "), "Der Name"),
        (await invite(browser, "nie.da", same="niemand"), "Dieses Konto gibt es nicht."),
        (await invite(browser, "nie.da", roles=["root"]), "Wählen Sie mindestens eine Rolle."),
        (await browser.fill_in(page, f"{page}/rollen", roles=sorted(colleague.account.roles)), "hat das Konto schon"),
        (await browser.fill_in(page, f"{page}/entsperren"), "nicht gesperrt"),
    ):
        assert (refused.status, words in refused.text) == (422, True), words
    assert await find_request(newsroom, login) == "None"


async def test_a_block_is_asked_counts_at_once_and_its_end_needs_a_second_person(
    newsroom: NewsroomProcess, member: Member, browser: EditorBrowser, second: EditorBrowser
) -> None:
    """Asked by a page, so that it needs no script."""
    victim = await newsroom.add_member(Role.EDITOR)
    page = f"/konto/{victim.account.login}"
    shown = await browser.read(page)
    assert (f'action="{page}/sperren"' in shown, f'href="{page}/sperren"' in shown) == (False, True)
    async with newsroom.open_browser(victim) as blocked:
        asked = await browser.read(f"{page}/sperren")
        for words in (victim.account.name, victim.account.login, "Die Sperre gilt sofort", f'action="{page}/sperren"'):
            assert words in asked
        assert (await blocked.open("/profil")).status == 200
        told = await browser.fill_in(f"{page}/sperren", f"{page}/sperren")
        assert "Das Konto ist gesperrt" in await browser.read(told.location)
        assert (await blocked.open("/profil")).status == 303
    assert (await browser.open(f"{page}/sperren")).location == page
    assert (await browser.open("/konto/niemand/sperren")).status == 404
    own = f"/konto/{member.account.login}"
    assert (await browser.fill_in(own, f"{own}/sperren")).status == 403, "nobody blocks themselves"

    await browser.fill_in(page, f"{page}/entsperren")
    request = await find_request(newsroom, victim.account.login)
    assert [(await decide(each, request)).status for each in (browser, second)] == [403, 303]
    async with newsroom.open_browser() as guest:
        assert (await log_in(guest, victim.account.login, code=victim.next_code())).status == 303


async def test_the_end_of_all_sessions_and_other_roles_count_at_once(
    newsroom: NewsroomProcess, browser: EditorBrowser
) -> None:
    victim = await newsroom.add_member(Role.LEAD)
    async with newsroom.open_browser(victim) as opened:
        for roles, status in ((["lead"], 200), (["editor"], 403)):
            change = "update newsroom.account set roles = $2 where id = $1"
            await newsroom.owner.execute(change, victim.account.id, roles)
            assert (await opened.open("/protokoll")).status == status
        page = f"/konto/{victim.account.login}"
        await browser.fill_in(page, f"{page}/sitzungen")
        assert (await opened.open("/profil")).status == 303


async def test_the_pages_of_an_account_are_in_the_menu(browser: EditorBrowser, colleague: Member) -> None:
    account = f"/konto/{colleague.account.login}"
    for path in ("/konten", account, f"{account}/sperren", "/einladung"):
        shown = await browser.read(path)
        assert re.findall(r'aria-current="page">([^<]+)<', shown) == ["Konten"], path


@pytest.mark.parametrize(
    "statement",
    [
        "update newsroom.audit set action = 'x'",
        "delete from newsroom.audit",
        "truncate newsroom.audit",
        "insert into newsroom.audit (at, action, object) values (now() - interval '1 day', 'x', 'y')",
        "insert into newsroom.audit (id, action, object) overriding system value values (1, 'x', 'y')",
        "delete from newsroom.account",
        "update newsroom.draft_version set content = '{}'",
        "delete from newsroom.draft_version",
        "update newsroom.decision set verdict = 'approve'",
        "delete from newsroom.decision",
        "update newsroom.account set person = gen_random_uuid()",
        "update newsroom.account_request set requested_by = gen_random_uuid()",
        "update newsroom.draft set created_by = gen_random_uuid()",
        "update newsroom.publication set body = '{}'",
        "update newsroom.archive_entry set text = ''",
        "alter table newsroom.audit add x int",
        "select * from subscriptions.subscriber",
        "select * from dispatcher.delivery",
        "select dispatcher.resend_missing(gen_random_uuid(), true)",
    ],
)
async def test_the_service_itself_can_change_no_history_and_enter_no_other_schema(
    statement: str, newsroom: NewsroomProcess
) -> None:
    async with connect_to_database(newsroom.database.build_role_url("kreisfunk_newsroom")) as service:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
