"""Logging in over the county's identity provider, and what an attacker tries with its answers."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from cli.newsroom import add_account, reset_account
from services.newsroom.domain.accounts import Account, Role
from tests.databases import FreshDatabase
from tests.harness.newsroom import (
    PASSWORD,
    EditorBrowser,
    Member,
    NewsroomProcess,
    log_in,
    run_newsroom,
)
from tests.harness.scripted_provider import (
    CLIENT_ID,
    LABEL,
    ScriptedProvider,
    build_return,
    build_settings,
    make_key,
    run_scripted_provider,
)
from tests.integration.newsroom.provider_logins import (
    CONNECT,
    COOKIE,
    START,
    add_connected,
    begin,
    has_session,
    log_in_over,
)
from tests.integration.newsroom.test_setup import NEW_PASSWORD, users_settings
from tests.servers import wait_for


@pytest.fixture(scope="module")
async def shared_provider() -> AsyncIterator[ScriptedProvider]:
    async with run_scripted_provider() as running:
        yield running


@pytest.fixture
def provider(shared_provider: ScriptedProvider) -> ScriptedProvider:
    """One that behaves; each test makes it misbehave for itself."""
    shared_provider.claims, shared_provider.forge = {}, None
    return shared_provider


@pytest.fixture(scope="module")
async def newsroom(
    newsroom_broker: str,
    module_database: FreshDatabase,
    tmp_path_factory: pytest.TempPathFactory,
    shared_provider: ScriptedProvider,
) -> AsyncIterator[NewsroomProcess]:
    """One that trusts the scripted provider."""
    folder, settings = tmp_path_factory.mktemp("newsroom"), build_settings(shared_provider.issuer)
    async with run_newsroom(newsroom_broker, module_database, folder, settings=settings) as running:
        yield running


@pytest.fixture
async def account(newsroom: NewsroomProcess, provider: ScriptedProvider) -> Account:
    return await add_connected(newsroom, provider.issuer)


async def test_the_button_leads_to_the_provider_and_back(
    provider: ScriptedProvider, account: Account, stranger: EditorBrowser
) -> None:
    form = await stranger.open("/anmelden?weiter=%2Fprofil%3Fa%3Db")
    (path,) = re.findall(rf'href="({START}[^"]*)"[^>]*><span[^>]*>{LABEL}<', form.text)
    sent = await stranger.open(unescape(path))
    assert sent.location.startswith(f"{provider.issuer}/auth?")
    (cookie,) = sent.cookies
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))
    back = await stranger.open(provider.let_in(sent.location, account.login))
    assert (back.status, back.location, has_session(back)) == (303, "/profil?a=b", True)
    assert COOKIE not in {each.key for each in stranger.session.cookie_jar}, "it is good for one way back"
    profile = await stranger.read("/profil")
    assert account.name in profile
    assert "/profil/kennwort" not in profile
    detail = await stranger.owner.fetchval("select detail::text from newsroom.audit where account = $1", account.id)
    assert "identity_provider" in detail


async def test_a_stranger_is_told_whom_to_ask(
    provider: ScriptedProvider, colleague: Member, stranger: EditorBrowser
) -> None:
    found = await log_in_over(stranger, provider, "nobody", email="x@landkreis.example", name="Nora <b>Neu</b>")
    assert (found.status, has_session(found)) == (403, False)
    assert colleague.account.name in found.text
    assert "Nora &lt;b&gt;Neu" in found.text
    assert (await stranger.open("/profil")).location.startswith("/anmelden")


async def test_another_subject_is_somebody_else_whatever_the_name(
    provider: ScriptedProvider, account: Account, stranger: EditorBrowser
) -> None:
    claims = {"email": account.login, "preferred_username": account.login, "name": account.name}
    assert (await log_in_over(stranger, provider, account.login + "x", **claims)).status == 403
    await stranger.owner.execute(
        "update newsroom.account set issuer = 'https://anderer.example' where id = $1", account.id
    )
    assert (await log_in_over(stranger, provider, account.login)).status == 403


@pytest.mark.parametrize("claims", [{"nonce": "anders"}, {"aud": "andere"}, {"exp": 1_700_000_000}], ids=str)
async def test_a_token_that_proves_something_else_lets_nobody_in(
    claims: dict[str, Any], provider: ScriptedProvider, account: Account, stranger: EditorBrowser
) -> None:
    found = await log_in_over(stranger, provider, account.login, **claims)
    assert (found.status, has_session(found)) == (403, False)


async def test_a_new_key_of_the_provider_is_fetched_at_once(
    provider: ScriptedProvider, account: Account, stranger: EditorBrowser
) -> None:
    assert has_session(await log_in_over(stranger, provider, account.login))
    await stranger.log_out()
    provider.key = make_key()
    assert has_session(await log_in_over(stranger, provider, account.login))


async def test_an_answer_is_good_once_and_in_the_browser_that_asked(
    newsroom: NewsroomProcess, provider: ScriptedProvider, account: Account, stranger: EditorBrowser
) -> None:
    first = await begin(stranger)
    stale = provider.let_in(first, account.login)
    answer = provider.let_in(await begin(stranger), account.login)
    (cookie,) = [each.value for each in stranger.session.cookie_jar if each.key == COOKIE]
    statuses = {}
    async with newsroom.open_browser() as other:
        await begin(other)
        statuses["another browser"] = (await other.open(answer)).status
    statuses["an earlier login"] = (await stranger.open(stale)).status
    async with newsroom.open_browser() as forger:
        statuses["a forged cookie"] = (await forger.open(answer, Cookie=f"{COOKIE}=AAAA")).status
    # The mix-up attack: a provider of the attacker's sends the browser back with a code of ours.
    statuses["another provider"] = (await stranger.open(f"{answer}&iss=https%3A%2F%2Fevil.example")).status
    assert set(statuses.values()) == {403}, statuses
    # Those did not reach the provider: the code is still good.
    assert has_session(await stranger.open(answer))
    async with newsroom.open_browser() as thief:
        replayed = await thief.open(answer, Cookie=f"{COOKIE}={cookie}")
    assert (replayed.status, has_session(replayed)) == (403, False)


async def test_whoever_cancels_is_not_let_in(provider: ScriptedProvider, stranger: EditorBrowser) -> None:
    query = URL(await begin(stranger)).query
    answer = build_return(query["redirect_uri"], error="access_denied", state=query["state"])
    found = await stranger.open(answer)
    assert (found.status, "abgebrochen oder abgelaufen" in found.text) == (403, True)


async def test_the_way_back_leads_nowhere_else(
    provider: ScriptedProvider, account: Account, stranger: EditorBrowser
) -> None:
    found = await log_in_over(stranger, provider, account.login, f"{START}?weiter=%2F%2Fevil.example")
    assert (found.status, found.location) == (303, "/")


async def test_who_is_logged_in_is_not_sent_into_another_account(browser: EditorBrowser) -> None:
    found = await browser.open(f"{START}?weiter=%2Fprofil")
    assert (found.location, found.cookies) == ("/profil", ())


@pytest.mark.parametrize("change", ["disabled_at = now()", "issuer = null, subject = null"])
async def test_an_account_that_is_blocked_or_reset_meanwhile_lets_nobody_in(
    change: str, provider: ScriptedProvider, account: Account, stranger: EditorBrowser
) -> None:
    answer = provider.let_in(await begin(stranger), account.login)
    await stranger.owner.execute(f"update newsroom.account set {change} where id = $1", account.id)  # noqa: S608
    found = await stranger.open(answer)
    assert (found.status, has_session(found)) == (403, False)


async def test_logging_out_leads_on_to_the_provider(
    newsroom: NewsroomProcess, provider: ScriptedProvider, account: Account, stranger: EditorBrowser
) -> None:
    await log_in_over(stranger, provider, account.login)
    out = await stranger.log_out()
    assert f'href="{START}/abmelden"' in await stranger.read(out.location)
    there = URL((await stranger.open(f"{START}/abmelden")).location)
    assert str(there.with_query(None)) == f"{provider.issuer}/logout"
    assert dict(there.query) == {"client_id": CLIENT_ID, "post_logout_redirect_uri": f"{newsroom.url}/anmelden"}


async def test_a_session_that_was_opened_on_the_way_ends_when_another_takes_its_place(
    newsroom: NewsroomProcess, provider: ScriptedProvider, account: Account, stranger: EditorBrowser
) -> None:
    answer = provider.let_in(await begin(stranger), account.login)
    member = await newsroom.add_member(Role.EDITOR)
    assert (await log_in(stranger, member.account.login, code=member.next_code())).status == 303
    assert has_session(await stranger.open(answer))
    assert account.name in await stranger.read("/profil")
    told = [action for action, subject in await newsroom.read_audit() if subject == member.account.login]
    assert told == ["session.opened", "session.closed"]
    still_open = "select count(*) from newsroom.session where account = $1 and revoked_at is null"
    assert await newsroom.owner.fetchval(still_open, member.account.id) == 0


async def begin_setup(newsroom: NewsroomProcess, browser: EditorBrowser, login: str) -> str:
    """The first password of a new account whose owner has begun to set up."""
    first = await add_account(users_settings(newsroom), login, "Nele Neu", [Role.EDITOR], None)
    assert (await log_in(browser, login, password=first.password)).status == 303
    return first.password


@pytest.mark.usefixtures("no_failures")
async def test_an_invited_account_is_connected_once_and_then_has_no_password(
    newsroom: NewsroomProcess, provider: ScriptedProvider, stranger: EditorBrowser
) -> None:
    password = await begin_setup(newsroom, stranger, "nele.neu")
    assert f'href="{CONNECT}"' in await stranger.read("/einrichten")
    asked = await log_in_over(stranger, provider, "subject-nele", CONNECT, name="Nele am Amt")
    assert (asked.status, has_session(asked), "Nele am Amt" in asked.text) == (200, False, True)
    fields = {"identity": asked.read_value("identity")}
    assert (await stranger.send(CONNECT, fields, csrf="x")).status == 403
    assert (await stranger.send(CONNECT, {"identity": "00"}, csrf=asked.csrf)).status == 403
    done = await stranger.send(CONNECT, fields, csrf=asked.csrf)
    assert (done.status, done.location, has_session(done)) == (303, "/", True)
    async with newsroom.open_browser() as other:
        assert (await log_in(other, "nele.neu", password=password)).status == 403
        assert has_session(await log_in_over(other, provider, "subject-nele"))
    async with newsroom.open_browser() as second:
        await begin_setup(newsroom, second, "nele.zwei")
        asked = await log_in_over(second, provider, "subject-nele", CONNECT)
        taken = await second.send(CONNECT, {"identity": asked.read_value("identity")}, csrf=asked.csrf)
        assert (taken.status, "gehört hier schon zu einem anderen" in taken.text) == (409, True)
    told = [action for action, subject in await newsroom.read_audit() if subject == "nele.neu"]
    assert told == ["account.created", "session.opened", "account.connected", "session.opened", "session.opened"]


@pytest.mark.usefixtures("no_failures")
async def test_an_identity_is_connected_by_nobody_but_the_session_that_asked(
    newsroom: NewsroomProcess, provider: ScriptedProvider, stranger: EditorBrowser
) -> None:
    await begin_setup(newsroom, stranger, "opfer.neu")
    async with newsroom.open_browser() as attacker:
        await begin_setup(newsroom, attacker, "taeter.neu")
        theirs = await log_in_over(attacker, provider, "subject-attacker", CONNECT)
        forged = {"identity": theirs.read_value("identity")}
        csrf = (await stranger.open("/einrichten")).csrf
        assert (await stranger.send(CONNECT, forged, csrf=csrf)).status == 403
        await begin(attacker, CONNECT)
        answer = provider.let_in(await begin(attacker, CONNECT), "subject-attacker")
        (cookie,) = [each for each in attacker.session.cookie_jar if each.key == COOKIE]
        stranger.session.cookie_jar.update_cookies({COOKIE: cookie.value}, URL(newsroom.url))
        assert (await stranger.open(answer)).status == 403
    assert await newsroom.owner.fetchval("select count(*) from newsroom.account where subject like 'subject-a%'") == 0


async def test_a_reset_gives_a_password_instead_of_the_provider(
    newsroom: NewsroomProcess, provider: ScriptedProvider, account: Account, stranger: EditorBrowser
) -> None:
    first = await reset_account(users_settings(newsroom), account.login)
    assert (await log_in_over(stranger, provider, account.login)).status == 403
    assert (await log_in(stranger, account.login, password=first.password)).status == 303
    assert (await stranger.open("/profil")).location == "/einrichten"


async def test_a_connected_account_has_no_password_to_guess(
    newsroom: NewsroomProcess, account: Account, stranger: EditorBrowser
) -> None:
    assert (await log_in(stranger, account.login, password=PASSWORD, code="000000")).status == 403
    async with newsroom.open_browser(Member(account=account, secret=b"")) as opened:
        change = {"current": PASSWORD, "new": NEW_PASSWORD, "code": "000000"}
        shown = await opened.open("/profil")
        assert (await opened.send("/profil/kennwort", change, csrf=shown.csrf)).status == 422


async def test_while_the_provider_is_away_passwords_work_and_then_it_is_asked_again(
    newsroom_broker: str, newsroom: NewsroomProcess, provider: ScriptedProvider, member: Member, tmp_path: Path
) -> None:
    settings = build_settings(provider.issuer)
    async with run_newsroom(newsroom_broker, newsroom.database, tmp_path, settings=settings) as fresh:
        async with fresh.open_browser() as opened:
            provider.is_away = True
            try:
                away = await opened.open(START)
            finally:
                provider.is_away = False
            assert (away.status, "Anmeldedienst antwortet nicht" in away.text) == (503, True)
            assert (await log_in(opened, member.account.login, code=member.next_code())).status == 303

        async def is_asked() -> bool:
            async with fresh.open_browser() as other:
                return (await other.open(START)).status == 303

        await wait_for(is_asked)
