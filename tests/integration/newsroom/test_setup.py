"""Setting up a login with a first password, and changing it later."""

import re

import pyotp
import pytest

from cli.newsroom import add_account, reset_account
from cli.settings import AccountSettings
from services.newsroom.domain.accounts import Role
from tests.harness.newsroom import (
    PASSWORD,
    EditorBrowser,
    Member,
    NewsroomProcess,
    ShownPage,
    log_in,
)

NEW_PASSWORD = "Moor und Heide im Nebel"
pytestmark = pytest.mark.usefixtures("no_failures")


def users_settings(newsroom: NewsroomProcess) -> AccountSettings:
    url = newsroom.database.build_role_url("kreisfunk_newsroom")
    return AccountSettings(database_url=url, database_password=None)


def list_codes(page: ShownPage) -> list[str]:
    return re.findall(r"<code>([A-Z2-7]{4}(?:-[A-Z2-7]{4}){3})</code>", page.text)


async def test_a_first_password_leads_to_setting_up_and_no_further(
    newsroom: NewsroomProcess, stranger: EditorBrowser
) -> None:
    first = await add_account(users_settings(newsroom), "neu-1", "Redaktion 1", [Role.EDITOR], None)
    assert (await log_in(stranger, first.login, password=first.password)).status == 303
    form = await stranger.open("/einrichten")
    secret = re.sub(r"\s", "", re.search(r'nr-code">([A-Z2-7 ]+)<', form.text)[1])  # type: ignore[index]
    fields = {"secret": form.read_value("secret"), "password": NEW_PASSWORD, "code": pyotp.TOTP(secret).now()}
    weak = await stranger.send("/einrichten", {**fields, "password": "kurz"}, csrf=form.csrf)
    assert (weak.status, "12 bis 200 Zeichen" in weak.text) == (422, True)
    same = await stranger.send("/einrichten", {**fields, "password": first.password}, csrf=form.csrf)
    assert (same.status, "bisheriges Kennwort" in same.text) == (422, True)
    wrong = await stranger.send("/einrichten", {**fields, "code": "000000"}, csrf=form.csrf)
    assert (wrong.status, "passt nicht zu diesem Bild" in wrong.text) == (422, True)
    done = await stranger.send("/einrichten", {**fields, "code": pyotp.TOTP(secret).now()}, csrf=form.csrf)
    codes = list_codes(done)
    assert (done.status, len(set(codes))) == (200, 10)
    assert (await stranger.open("/profil")).status == 200
    async with newsroom.open_browser() as other:
        assert (await log_in(other, first.login, password=first.password)).status == 403
        assert (await log_in(other, first.login, password=NEW_PASSWORD)).status == 403
        assert (await log_in(other, first.login, password=NEW_PASSWORD, code=codes[0])).status == 303


async def test_a_first_password_ends(newsroom: NewsroomProcess, stranger: EditorBrowser) -> None:
    first = await add_account(users_settings(newsroom), "spaet-1", "Redaktion 2", [Role.EDITOR], None)
    await newsroom.owner.execute(
        "update newsroom.account set password_ends_at = now() - interval '1 second' where login = $1", first.login
    )
    assert (await log_in(stranger, first.login, password=first.password)).status == 403


async def test_what_another_session_began_to_set_up_is_refused(newsroom: NewsroomProcess) -> None:
    settings = users_settings(newsroom)
    forms: list[ShownPage] = []
    for login in ("eine-1", "andere-1"):
        first = await add_account(settings, login, "Redaktion 3", [Role.EDITOR], None)
        async with newsroom.open_browser() as opened:
            await log_in(opened, first.login, password=first.password)
            form = await opened.open("/einrichten")
            if forms:
                fields = {"secret": forms[0].read_value("secret"), "password": NEW_PASSWORD, "code": "000000"}
                assert (await opened.send("/einrichten", fields, csrf=form.csrf)).status == 403
            forms.append(form)


async def test_a_reset_ends_sessions_and_devices_and_forgets_the_telephone(
    newsroom: NewsroomProcess, member: Member, browser: EditorBrowser, stranger: EditorBrowser
) -> None:
    first = await reset_account(users_settings(newsroom), member.account.login)
    assert (await browser.open("/profil")).status == 303
    assert (await log_in(stranger, member.account.login, code=member.next_code())).status == 403
    assert (await log_in(stranger, member.account.login, password=first.password)).status == 303
    assert (await stranger.open("/profil")).location == "/einrichten"


async def test_changing_the_password_needs_the_old_one_and_a_code_and_ends_other_sessions(
    newsroom: NewsroomProcess, member: Member, browser: EditorBrowser
) -> None:
    change = "/profil/kennwort"
    both = "Sechs Ziffern aus der App oder ein Wiederherstellungscode<"
    assert (await browser.read("/profil")).count(both) == 2, "it takes either"
    fields = {"current": PASSWORD, "new": NEW_PASSWORD}
    assert (await browser.fill_in("/profil", change, **{**fields, "current": "falsch"}, code="0")).status == 422
    assert (await browser.fill_in("/profil", change, **fields, code="000000")).status == 422
    assert (
        await browser.fill_in("/profil", change, **{**fields, "new": "kurz"}, code=member.next_code())
    ).status == 422
    async with newsroom.open_browser(member) as other:
        done = await browser.fill_in("/profil", change, **fields, code=member.next_code())
        assert done.location == "/profil?erledigt=kennwort"
        assert (await other.open("/profil")).status == 303
    assert (await browser.open("/profil")).status == 200


async def test_guessing_the_password_inside_a_session_is_delayed_too(
    newsroom: NewsroomProcess, member: Member, browser: EditorBrowser
) -> None:
    change = {"current": "falsch", "new": NEW_PASSWORD, "code": "0"}
    assert (await browser.fill_in("/profil", "/profil/kennwort", **change)).status == 422
    ((scope, session),) = await newsroom.read_failures()
    assert scope == "device"
    await newsroom.count_failures(scope, session, 40)
    assert (await browser.fill_in("/profil", "/profil/kennwort", **change)).status == 429


async def test_new_recovery_codes_need_the_password_and_a_code_and_replace_the_old_ones(
    newsroom: NewsroomProcess, member: Member, browser: EditorBrowser
) -> None:
    replace = "/profil/codes"
    fields = {"codes_current": PASSWORD}

    async def renew(**typed: str) -> ShownPage:
        return await browser.fill_in("/profil", replace, **{**fields, **typed})

    wrong = await renew(codes_current="falsch", codes_code=member.next_code())
    assert (wrong.status, "Das Kennwort ist falsch." in wrong.text) == (422, True)
    assert (await renew(codes_code="000000")).status == 422
    async with newsroom.open_browser(member) as elsewhere:
        assert (await elsewhere.open("/profil")).status == 200
        old = list_codes(await renew(codes_code=member.next_code()))
        assert (await elsewhere.open("/profil")).status == 303
    new = list_codes(await renew(codes_code=old[1]))
    assert (len(old), len(set(old) | set(new))) == (10, 20)
    for code, expected in ((old[0], 403), (new[0], 303), (new[0], 403)):
        async with newsroom.open_browser() as other:
            assert (await log_in(other, member.account.login, code=code)).status == expected
    assert "Wiederherstellungscodes erneuert" in await browser.read("/protokoll")
