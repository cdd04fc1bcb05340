"""A login that is being checked while somebody blocks or resets the account: it must not survive that."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import asyncpg
import pyotp
import pytest

from services.newsroom.domain.accounts import AccountProblem, NotPermitted
from services.newsroom.domain.identity import ProviderSubject
from services.newsroom.domain.login import LoginProof, Visitor, encode_totp_secret, hash_cookie, hash_recovery_code
from services.newsroom.handlers.login import LoginRefused, SetupRefused
from shared.runtime.clock import system_clock
from tests.databases import wait_until_locked
from tests.integration.newsroom.login_store import ACT, FIRST, INVITED, NEW, OLD, Logins


@pytest.mark.parametrize("act", [Logins.reset, Logins.block_for_a_while], ids=["reset", "block"])
async def test_a_login_in_flight_ends_with_what_it_began_with(
    act: Callable[[Logins], Awaitable[None]], logins: Logins
) -> None:
    logins.hasher.interrupt = lambda: act(logins)
    with pytest.raises(LoginRefused):
        await logins.log_in()
    assert await logins.count_open() == 0


@pytest.mark.parametrize("act", [Logins.reset, Logins.block_for_a_while], ids=["reset", "block"])
async def test_what_is_being_set_up_does_not_survive_either(
    act: Callable[[Logins], Awaitable[None]], logins: Logins
) -> None:
    """Else whoever had the first password would keep the account after its owner has asked for another one."""
    visitor, form = await logins.begin_setup()
    logins.hasher.interrupt = lambda: act(logins)
    before = await logins.read_hash()
    with pytest.raises(NotPermitted):
        await logins.service.set_up(visitor, **form)
    assert (await logins.count_open(), await logins.read_hash()) == (0, before)
    assert await logins.count_acts("account.set_up") == 0


@pytest.mark.parametrize("issuer", ["https://konto.example.org", "https://anders.example.org"])
async def test_an_external_login_in_flight_ends_with_whom_the_account_was_connected_to(
    logins: Logins, issuer: str
) -> None:
    connect = """
        update newsroom.account set password_hash = null, totp_secret = null, issuer = $2, subject = $3 where id = $1
    """
    subject = ProviderSubject("https://konto.example.org", secrets.token_hex(5))
    await logins.owner.execute(connect, logins.account.id, subject.issuer, subject.subject)
    proven = await logins.accounts.find_external(subject)
    assert proven is not None
    changed = subject.subject if issuer != subject.issuer else secrets.token_hex(5)
    await logins.owner.execute(connect, logins.account.id, issuer, changed)
    assert await logins.service.start_session(proven, LoginProof.IDENTITY_PROVIDER) is None
    assert await logins.count_open() == 0


async def test_a_setup_that_waits_for_a_reset_sees_what_it_did(logins: Logins) -> None:
    """The statement that sets up has to look at sessions after the wait, not as they were before."""
    visitor, form = await logins.begin_setup()
    async with logins.owner.transaction():
        await logins.owner.execute("update newsroom.account set disabled_at = null where id = $1", logins.account.id)
        await logins.owner.execute(
            "update newsroom.session set revoked_at = now() where account = $1", logins.account.id
        )
        waiting = asyncio.create_task(logins.service.set_up(visitor, **form))
        await wait_until_locked(logins.owner)
    with pytest.raises(NotPermitted):
        await waiting
    assert await logins.read_hash() == f"hash of {FIRST}"


async def test_setting_up_ends_all_other_sessions_and_is_one_act(logins: Logins) -> None:
    visitor, form = await logins.begin_setup()
    await logins.log_in(FIRST)
    await logins.service.set_up(visitor, **form)
    assert (await logins.count_open(), await logins.count_acts("account.set_up")) == (1, 1)


async def test_a_reset_account_has_no_browser_and_no_code_of_its_earlier_owner(logins: Logins) -> None:
    device = hash_cookie((await logins.log_in()).device or "")
    assert await logins.service.sessions.is_device_of(device, logins.account.login)
    code = hash_recovery_code("ABCD-EFGH-IJKL-MNOP")
    statement = "insert into newsroom.recovery_code (account, code_hash) values ($1, $2)"
    await logins.owner.execute(statement, logins.account.id, code)
    await logins.reset()
    assert not await logins.service.sessions.is_device_of(device, logins.account.login)
    assert not await logins.accounts.use_recovery_code(logins.account.id, code, system_clock())
    assert await logins.count_open() == 0


def build_change(logins: Logins) -> dict[str, str]:
    return {"current": OLD, "new": NEW, "code": pyotp.TOTP(encode_totp_secret(logins.secret)).now()}


async def prepare_change(logins: Logins) -> Visitor:
    """Two sessions; returns the visitor of one, whose next code is good."""
    await logins.log_in()
    visitor = await logins.visit(await logins.log_in())
    await logins.owner.execute("update newsroom.account set totp_step = 0 where id = $1", logins.account.id)
    return visitor


async def test_a_new_password_that_is_refused_uses_no_code(logins: Logins) -> None:
    visitor, code = await logins.visit(await logins.log_in()), "ABCD-EFGH-IJKL-MNOP"
    statement = "insert into newsroom.recovery_code (account, code_hash) values ($1, $2)"
    await logins.owner.execute(statement, logins.account.id, hash_recovery_code(code))
    with pytest.raises(SetupRefused):
        await logins.service.change_password(visitor, current=OLD, new="kurz", code=code)
    await logins.log_in(code=code)


async def test_a_password_changes_together_with_the_end_of_sessions_or_not_at_all(logins: Logins) -> None:
    visitor = await prepare_change(logins)
    name = f"fail_{logins.account.id.hex}"
    await logins.owner.execute(f"""
        create function newsroom.{name}() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
        create trigger {name} before update on newsroom.session for each row
        when (old.account = '{logins.account.id}') execute function newsroom.{name}();
    """)
    with pytest.raises(asyncpg.RaiseError):
        await logins.service.change_password(visitor, **build_change(logins))
    await logins.owner.execute(f"drop function newsroom.{name} cascade")
    assert (await logins.count_open(), await logins.read_hash()) == (2, f"hash of {OLD}")
    assert await logins.count_acts("account.password_changed") == 0
    await logins.owner.execute("update newsroom.account set totp_step = 0 where id = $1", logins.account.id)
    await logins.service.change_password(visitor, **build_change(logins))
    assert (await logins.count_open(), await logins.read_hash()) == (1, f"hash of {NEW}")
    assert await logins.count_acts("account.password_changed") == 1


async def test_a_session_that_ends_meanwhile_changes_no_password(logins: Logins) -> None:
    visitor = await prepare_change(logins)
    logins.hasher.interrupt = lambda: logins.service.sessions.end_sessions(logins.account.id, system_clock(), ACT)
    with pytest.raises(NotPermitted):
        await logins.service.change_password(visitor, **build_change(logins))
    assert await logins.read_hash() == f"hash of {OLD}"


@pytest.mark.parametrize("lost", ["disabled_at = now()", "roles = '{editor}'"])
@pytest.mark.parametrize("who", ["requester", "decider"])
async def test_whoever_loses_the_right_meanwhile_gets_no_account_confirmed(logins: Logins, who: str, lost: str) -> None:
    administration, login = logins.administration, f"g-{secrets.token_hex(5)}"
    operators = {each: await logins.add_operator() for each in ("requester", "decider")}
    await administration.invite(operators["requester"], login=login, **INVITED)
    request, statement = await logins.find_request(login), f"update newsroom.account set {lost} where id = $1"  # noqa: S608 - ours
    logins.hasher.interrupt = lambda: logins.owner.execute(statement, operators[who].id)
    with pytest.raises(NotPermitted):
        await administration.confirm(operators["decider"], request)
    assert await logins.accounts.find_account(login) is None
    await administration.refuse(await logins.add_operator(), request)


async def test_whoever_is_blocked_meanwhile_or_may_not_refuses_nothing(logins: Logins) -> None:
    administration, login = logins.administration, f"g-{secrets.token_hex(5)}"
    requester, decider = await logins.add_operator(), await logins.add_operator()
    await administration.invite(requester, login=login, **INVITED)
    request = await logins.find_request(login)
    await logins.accounts.disable(decider.id, system_clock(), ACT)
    with pytest.raises(AccountProblem):
        await administration.refuse(decider, request)
    with pytest.raises(NotPermitted):
        await administration.refuse(logins.account, request)
    assert await logins.find_request(login) == request
    await administration.refuse(requester, request)


async def test_a_request_from_before_a_later_block_does_not_end_that(logins: Logins) -> None:
    administration, login = logins.administration, logins.account.login
    await logins.block_for_a_while()
    await administration.request_enabling(await logins.add_operator(), login)
    await logins.reset()
    await logins.block_for_a_while()
    request, decider = await logins.find_request(login), await logins.add_operator()
    with pytest.raises(AccountProblem, match="noch einmal gesperrt"):
        await administration.confirm(decider, request)
    assert (await administration.get_account(login)).is_disabled
    await administration.refuse(decider, request)
    await administration.request_enabling(await logins.add_operator(), login)
    await administration.confirm(decider, await logins.find_request(login))
    assert not (await administration.get_account(login)).is_disabled
