"""Accounts: what gives somebody more rights needs a second person, what takes them away counts at once."""

import re
import secrets

import asyncpg
import pytest

from services.newsroom.domain.accounts import Role
from tests.harness.newsroom import (
    ALL_ROLES,
    PASSWORD,
    EditorBrowser,
    Member,
    NewsroomProcess,
    ShownPage,
)

_HALF = re.compile(r"Teil: <code[^>]*>([\w-]+)</code>")


def new_login() -> str:
    return f"neu-{secrets.token_hex(4)}"


async def invite(browser: EditorBrowser, login: str, **more: object) -> ShownPage:
    fields = {"name": "Nora Neu", "login": login, "roles": ["editor", "approver"], "same": "", **more}
    return await browser.fill_in("/einladung", "/einladung", **fields)


async def find_request(newsroom: NewsroomProcess, login: str) -> str:
    return str(
        await newsroom.owner.fetchval(
            "select id from newsroom.account_request where login = $1 and decision is null", login
        )
    )


async def decide(browser: EditorBrowser, request: str, decision: str) -> ShownPage:
    return await browser.fill_in("/konten", f"/konten/antrag/{request}/{decision}")


def find_card(page: str, login: str) -> str:
    """The request of this login, as the page shows it."""
    return next(card for card in page.split("<li ")[1:] if f"Anmeldename <code>{login}</code>" in card)


async def read_roles(newsroom: NewsroomProcess, login: str) -> list[str] | None:
    roles: list[str] | None = await newsroom.owner.fetchval(
        "select roles from newsroom.account where login = $1", login
    )
    return roles


async def test_an_invitation_counts_when_a_second_person_confirms_it(
    newsroom: NewsroomProcess, browser: EditorBrowser, colleague: Member
) -> None:
    login = new_login()
    first = _HALF.search((await invite(browser, login)).text)
    assert await read_roles(newsroom, login) is None
    async with newsroom.open_browser(colleague) as opened:
        second = _HALF.search((await decide(opened, await find_request(newsroom, login), "bestaetigen")).text)
    assert await read_roles(newsroom, login) == ["approver", "editor"]
    assert first
    assert second
    statuses = {}
    for password in (first[1], second[1], second[1] + first[1], first[1] + second[1]):
        async with newsroom.open_browser() as guest:
            found = await guest.send("/anmelden", {"login": login, "password": password, "code": ""}, csrf="")
            statuses[password] = found.status
    assert list(statuses.values()) == [403, 403, 403, 303]


async def test_a_request_is_on_the_overview_of_whoever_can_decide_it(
    newsroom: NewsroomProcess, browser: EditorBrowser, colleague: Member
) -> None:
    login = new_login()
    await invite(browser, login, name=f"Frau {login}")
    writer = await newsroom.add_member(Role.EDITOR)
    shown = {"requester": f"Frau {login}" in (await browser.open("/")).text}
    for name, member in (("colleague", colleague), ("writer", writer)):
        async with newsroom.open_browser(member) as opened:
            shown[name] = f"Neues Konto: Frau {login}" in (await opened.open("/")).text
    assert shown == {"requester": False, "colleague": True, "writer": False}


async def test_nobody_confirms_what_they_requested_themselves(
    newsroom: NewsroomProcess, member: Member, browser: EditorBrowser
) -> None:
    login = new_login()
    await invite(browser, login)
    request = await find_request(newsroom, login)
    assert (await decide(browser, request, "bestaetigen")).status == 403
    second_account = await newsroom.add_member(*ALL_ROLES, person=member.account.person)
    async with newsroom.open_browser(second_account) as opened:
        assert (await decide(opened, request, "bestaetigen")).status == 403
    assert await read_roles(newsroom, login) is None


async def test_nobody_confirms_rights_of_their_own(
    newsroom: NewsroomProcess, browser: EditorBrowser, colleague: Member
) -> None:
    login = colleague.account.login
    requested = await browser.fill_in(f"/konto/{login}", f"/konto/{login}/rollen", roles=["lead", "approver"])
    assert requested.location == "/konten?erledigt=beantragt"
    request = await find_request(newsroom, login)
    async with newsroom.open_browser(colleague) as opened:
        assert (await decide(opened, request, "bestaetigen")).status == 403
    same = await newsroom.add_member(Role.OPERATOR, person=colleague.account.person)
    async with newsroom.open_browser(same) as opened:
        assert (await decide(opened, request, "bestaetigen")).status == 403
    assert await read_roles(newsroom, login) == ["lead"]
    async with newsroom.open_browser(await newsroom.add_member(Role.OPERATOR)) as opened:
        assert (await decide(opened, request, "bestaetigen")).location == "/konten?erledigt=bestaetigt"
    assert await read_roles(newsroom, login) == ["approver", "lead"]


async def test_an_account_of_the_same_person_may_be_invited_as_such(
    newsroom: NewsroomProcess, browser: EditorBrowser, member: Member, colleague: Member
) -> None:
    login, other = new_login(), new_login()
    await invite(browser, login, same=member.account.login)
    await invite(browser, other)
    async with newsroom.open_browser(colleague) as opened:
        page = (await opened.open("/konten")).text
        assert f"{member.account.name} (<code>{member.account.login}</code>)" in find_card(page, login)
        assert "und kann deshalb freigeben, was alle anderen Konten schreiben." in find_card(page, other)
        await decide(opened, await find_request(newsroom, login), "bestaetigen")
    person = await newsroom.owner.fetchval("select person from newsroom.account where login = $1", login)
    assert person == member.account.person


async def test_a_request_is_decided_once(newsroom: NewsroomProcess, browser: EditorBrowser, colleague: Member) -> None:
    login = new_login()
    await invite(browser, login)
    request = await find_request(newsroom, login)
    async with newsroom.open_browser(colleague) as opened:
        assert (await decide(opened, request, "ablehnen")).location == "/konten?erledigt=abgelehnt"
        assert (await decide(opened, request, "bestaetigen")).status == 409
        assert (await decide(opened, request, "ablehnen")).status == 409
    assert await read_roles(newsroom, login) is None


async def test_whoever_requested_may_take_it_back(newsroom: NewsroomProcess, browser: EditorBrowser) -> None:
    login = new_login()
    await invite(browser, login)
    assert (await decide(browser, await find_request(newsroom, login), "ablehnen")).status == 303


async def test_a_second_request_for_the_same_login_waits_for_the_first(browser: EditorBrowser) -> None:
    login = new_login()
    assert (await invite(browser, login)).status == 200
    second = await invite(browser, login)
    assert (second.status, "wartet schon ein Antrag" in second.text) == (422, True)
    assert "Ziehen Sie den Antrag unter „Konten“ zurück" in second.text, "its half of the password was never seen"


async def test_whoever_confirms_twice_reads_how_the_password_is_replaced(
    newsroom: NewsroomProcess, browser: EditorBrowser, colleague: Member
) -> None:
    login = new_login()
    await invite(browser, login)
    request = await find_request(newsroom, login)
    async with newsroom.open_browser(colleague) as opened:
        assert (await decide(opened, request, "bestaetigen")).status == 200
        second = await decide(opened, request, "bestaetigen")
        assert (second.status, "Bitten Sie den Betrieb um ein neues Kennwort" in second.text) == (409, True)
        refused = await decide(opened, request, "ablehnen")
        assert (refused.status, "neues Kennwort" in refused.text) == (409, False)
        assert f"users reset {login}" in (await opened.open(f"/konto/{login}")).text


async def test_a_login_that_was_taken_meanwhile_creates_nothing(
    newsroom: NewsroomProcess, browser: EditorBrowser, colleague: Member
) -> None:
    login = new_login()
    await invite(browser, login)
    taken = await newsroom.add_member(Role.EDITOR)
    await newsroom.owner.execute("update newsroom.account set login = $2 where id = $1", taken.account.id, login)
    request = await find_request(newsroom, login)
    async with newsroom.open_browser(colleague) as opened:
        assert (await decide(opened, request, "bestaetigen")).status == 409
    assert await read_roles(newsroom, login) == ["editor"]
    assert await find_request(newsroom, login) == request


@pytest.mark.parametrize(
    "wrong",
    [
        {"login": "X"},
        {"login": "../x"},
        {"login": "a b"},
        {"name": ""},
        {"name": "a" * 81},
        {"roles": []},
        {"roles": ["root"]},
        {"same": "niemand"},
    ],
    ids=str,
)
async def test_what_no_account_can_be_is_refused(wrong: dict[str, object], browser: EditorBrowser) -> None:
    fields: dict[str, object] = {"login": new_login(), **wrong}
    login = str(fields.pop("login"))
    assert (await invite(browser, login, **fields)).status == 422


async def test_a_block_counts_at_once_and_its_end_needs_a_second_person(
    newsroom: NewsroomProcess, browser: EditorBrowser, colleague: Member
) -> None:
    victim = await newsroom.add_member(Role.EDITOR)
    page = f"/konto/{victim.account.login}"
    async with newsroom.open_browser(victim) as blocked:
        assert (await blocked.open("/profil")).status == 200
        assert (await browser.fill_in(page, f"{page}/sperren")).location == "/konten?erledigt=gesperrt"
        assert (await blocked.open("/profil")).status == 303
    await browser.fill_in(page, f"{page}/entsperren")
    request = await find_request(newsroom, victim.account.login)
    assert (await decide(browser, request, "bestaetigen")).status == 403
    async with newsroom.open_browser(colleague) as opened:
        assert (await decide(opened, request, "bestaetigen")).status == 303
    async with newsroom.open_browser() as guest:
        fields = {"login": victim.account.login, "password": PASSWORD, "code": victim.next_code()}
        assert (await guest.send("/anmelden", fields, csrf="")).status == 303


async def test_a_block_is_asked_before_it_counts(newsroom: NewsroomProcess, browser: EditorBrowser) -> None:
    """By a page, so that it needs no script."""
    victim = await newsroom.add_member(Role.EDITOR)
    page = f"/konto/{victim.account.login}"
    shown = (await browser.open(page)).text
    assert (f'action="{page}/sperren"' in shown, f'href="{page}/sperren"' in shown) == (False, True)
    async with newsroom.open_browser(victim) as blocked:
        asked = (await browser.open(f"{page}/sperren")).text
        for words in (victim.account.name, victim.account.login, "Die Sperre gilt sofort", f'action="{page}/sperren"'):
            assert words in asked
        assert (await blocked.open("/profil")).status == 200
        told = await browser.fill_in(f"{page}/sperren", f"{page}/sperren")
        assert "Das Konto ist gesperrt" in (await browser.open(told.location)).text
        assert (await blocked.open("/profil")).status == 303
    assert (await browser.open(f"{page}/sperren")).location == page
    assert (await browser.open("/konto/niemand/sperren")).status == 404


async def test_nobody_blocks_themselves(newsroom: NewsroomProcess, member: Member, browser: EditorBrowser) -> None:
    page = f"/konto/{member.account.login}"
    assert (await browser.fill_in(page, f"{page}/sperren")).status == 403
    assert (await browser.open("/profil")).status == 200


async def test_all_sessions_of_an_account_can_be_ended(newsroom: NewsroomProcess, browser: EditorBrowser) -> None:
    victim = await newsroom.add_member(Role.EDITOR)
    page = f"/konto/{victim.account.login}"
    async with newsroom.open_browser(victim) as ended:
        await browser.fill_in(page, f"{page}/sitzungen")
        assert (await ended.open("/profil")).status == 303


async def test_other_roles_count_at_once(newsroom: NewsroomProcess) -> None:
    member = await newsroom.add_member(Role.LEAD)
    async with newsroom.open_browser(member) as opened:
        assert (await opened.open("/protokoll")).status == 200
        await newsroom.owner.execute(
            "update newsroom.account set roles = array['editor'] where id = $1", member.account.id
        )
        assert (await opened.open("/protokoll")).status == 403


async def test_every_act_is_in_the_audit_with_who_did_it(
    newsroom: NewsroomProcess, member: Member, browser: EditorBrowser, colleague: Member
) -> None:
    login = new_login()
    await invite(browser, login)
    async with newsroom.open_browser(colleague) as opened:
        await decide(opened, await find_request(newsroom, login), "bestaetigen")
    told = [action for action, subject in await newsroom.read_audit() if subject == login]
    assert told == ["account_request.made", "account_request.confirmed", "account.invite"]
    shown = (await browser.open("/protokoll")).text
    for text in (member.account.name, colleague.account.name, "Antrag gestellt", "Antrag bestätigt", login):
        assert text in shown
    details = await newsroom.owner.fetch("select detail::text from newsroom.audit where object = $1", login)
    assert not [row for row in details if "sealed" in row["detail"]]


async def test_the_pages_of_an_account_are_in_the_menu(
    newsroom: NewsroomProcess, browser: EditorBrowser, colleague: Member
) -> None:
    account = f"/konto/{colleague.account.login}"
    for path in ("/konten", account, f"{account}/sperren", "/einladung"):
        shown = (await browser.open(path)).text
        assert re.findall(r'aria-current="page">([^<]+)<', shown) == ["Konten"], path


async def test_the_audit_is_shown_page_by_page(newsroom: NewsroomProcess, browser: EditorBrowser) -> None:
    await newsroom.owner.executemany(
        "insert into newsroom.audit (action, object) values ('test.act', $1)", [(f"nr-{n:03}",) for n in range(120)]
    )
    seen: list[str] = []
    path = "/protokoll"
    while path and "nr-000" not in seen:
        page = await browser.open(path)
        seen += re.findall(r"<td[^>]*>(nr-\d{3})</td>", page.text)
        older = re.search(r'href="(/protokoll\?vor=\d+)"', page.text)
        path = older[1] if older else ""
    assert seen == [f"nr-{n:03}" for n in reversed(range(120))]
    assert (await browser.open("/protokoll?vor=x")).status == 200


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
        "update newsroom.decision set verdict = 'approve'",
        "alter table newsroom.audit add x int",
        "select * from subscriptions.subscriber",
        "select * from dispatcher.delivery",
    ],
)
async def test_the_service_itself_can_change_no_history_and_enter_no_other_schema(
    statement: str, newsroom: NewsroomProcess
) -> None:
    service = await asyncpg.connect(newsroom.database.build_role_url("kreisfunk_newsroom"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
    finally:
        await service.close()
