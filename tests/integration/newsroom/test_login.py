"""Logging in with password and one-time code; what an attacker tries, and what must not lock a colleague out."""

import asyncio
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import asyncpg
import pytest

from services.newsroom.adapters.sessions import PostgresSessionRepository
from services.newsroom.domain.accounts import Role
from services.newsroom.domain.login import SessionLimits, hash_recovery_code, list_counters
from services.newsroom.handlers.login import MAX_STRANGERS
from tests.databases import wait_until_locked
from tests.harness.newsroom import PASSWORD, EditorBrowser, Member, NewsroomProcess, ShownPage, log_in, run_newsroom
from tests.servers import wait_until_equal

pytestmark = pytest.mark.usefixtures("no_failures")


async def test_password_and_code_open_a_session(member: Member, stranger: EditorBrowser) -> None:
    """Its cookies are for this server only, the database does not know them, and the audit tells of it."""
    found = await log_in(stranger, member.account.login, code=member.next_code())
    assert (found.status, found.location) == (303, "/")
    assert member.account.name in await stranger.read("/profil")
    session, device = found.cookies
    assert session.startswith("kreisfunk-session=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(session.split("; "))
    assert "Max-Age" not in session
    assert {"HttpOnly", "SameSite=Strict"} <= set(device.split("; "))
    tokens = [cookie.partition("=")[2].partition(";")[0] for cookie in found.cookies]
    for table in ("session", "device"):
        rows = await stranger.owner.fetch(f"select t::text as row from newsroom.{table} t")  # noqa: S608 (a test's table)
        assert rows
        assert not [row for row in rows for token in tokens if token in row["row"]]
    await stranger.log_out()
    acts = "select action, detail ->> 'proof' from newsroom.audit where account = $1 order by id"
    told = [tuple(row) for row in await stranger.owner.fetch(acts, member.account.id)]
    assert told == [("session.opened", "one_time_code"), ("session.closed", None)]


async def test_without_an_identity_provider_there_is_no_way_over_one(stranger: EditorBrowser) -> None:
    assert "extern" not in await stranger.read("/anmelden")
    for path in ("/anmelden/extern", "/anmelden/extern/zurueck?code=x&state=y", "/anmelden/extern/abmelden"):
        assert (await stranger.open(path)).status == 404


async def test_with_https_cookies_have_the_prefix_that_binds_them(
    newsroom: NewsroomProcess, newsroom_broker: str, member: Member, tmp_path: Path
) -> None:
    settings = {"KREISFUNK_NEWSROOM_URL": "https://redaktion.example"}
    async with (
        run_newsroom(newsroom_broker, newsroom.database, tmp_path, settings=settings) as secure,
        secure.open_browser() as opened,
    ):
        session, device = (await log_in(opened, member.account.login, code=member.next_code())).cookies
    assert session.startswith("__Host-session=")
    assert device.startswith("__Host-device=")
    assert "Secure" in session.split("; ")


@pytest.mark.parametrize("wrong", ["login", "password", "code", "empty code", "disabled"])
async def test_whatever_is_wrong_the_answer_is_the_same(wrong: str, member: Member, stranger: EditorBrowser) -> None:
    if wrong == "disabled":
        await stranger.owner.execute("update newsroom.account set disabled_at = now() where id = $1", member.account.id)
    code = {"code": "000000", "empty code": ""}.get(wrong) if "code" in wrong else member.next_code()
    found = await log_in(
        stranger,
        "niemand" if wrong == "login" else member.account.login,
        password="falsch" if wrong == "password" else PASSWORD,
        code=code or "",
    )
    assert found.status == 403
    assert "Anmeldename, Kennwort oder Einmalcode ist falsch" in found.text
    assert found.cookies == ()


async def test_a_code_is_good_for_one_login(newsroom: NewsroomProcess, member: Member, stranger: EditorBrowser) -> None:
    code = member.next_code()
    assert (await log_in(stranger, member.account.login, code=code)).status == 303
    async with newsroom.open_browser() as other:
        assert (await log_in(other, member.account.login, code=code)).status == 403
        assert (await log_in(other, member.account.login, code=member.next_code())).status == 303


async def test_a_recovery_code_is_good_for_one_login(newsroom: NewsroomProcess, member: Member) -> None:
    await newsroom.owner.execute(
        "insert into newsroom.recovery_code (account, code_hash) values ($1, $2)",
        member.account.id,
        hash_recovery_code("ABCD-EFGH-IJKL-MNOP"),
    )
    statuses = []
    for typed in ("abcd efgh ijkl mnop", "ABCD-EFGH-IJKL-MNOP"):
        async with newsroom.open_browser() as opened:
            statuses.append((await log_in(opened, member.account.login, code=typed)).status)
    assert statuses == [303, 403]
    proofs = await newsroom.owner.fetch(
        "select detail ->> 'proof' as proof from newsroom.audit where account = $1", member.account.id
    )
    assert [row["proof"] for row in proofs] == ["recovery_code"]


async def test_a_failure_counts_for_name_and_address_and_a_success_takes_it_back(
    newsroom: NewsroomProcess, member: Member, stranger: EditorBrowser
) -> None:
    login = member.account.login
    await log_in(stranger, login, password="falsch")
    await log_in(stranger, login, code="000000")
    assert await newsroom.read_failures() == {("login", login): 2, ("address", "127.0.0.1"): 2}
    await log_in(stranger, login, code=member.next_code())
    assert await newsroom.read_failures() == {("login", login): 0, ("address", "127.0.0.1"): 2}


@pytest.mark.parametrize("scope", ["login", "address"])
async def test_after_many_failures_even_the_right_password_waits(
    scope: str, newsroom: NewsroomProcess, member: Member, stranger: EditorBrowser
) -> None:
    await newsroom.count_failures(scope, member.account.login if scope == "login" else "127.0.0.1", 40)
    found = await log_in(stranger, member.account.login, code="000000")
    assert (found.status, "Bitte warten Sie 15 Minuten" in found.text) == (429, True)
    await newsroom.owner.execute("update newsroom.login_failure set failed_at = now() - interval '16 minutes'")
    assert (await log_in(stranger, member.account.login, code=member.next_code())).status == 303


async def test_whoever_logs_in_makes_no_colleague_at_the_same_address_wait(
    newsroom: NewsroomProcess, member: Member, stranger: EditorBrowser
) -> None:
    """Nor is what failed there before remembered for longer, be there a login each day."""
    colleague, find = await newsroom.add_member(Role.EDITOR), "select failed_at from newsroom.login_failure"
    await newsroom.count_failures("address", "127.0.0.1", 40)
    await newsroom.owner.execute("update newsroom.login_failure set failed_at = now() - interval '16 minutes'")
    failed_at = await newsroom.owner.fetchval(find)
    assert (await log_in(stranger, member.account.login, code=member.next_code())).status == 303
    async with newsroom.open_browser() as other:
        assert (await log_in(other, colleague.account.login, code=colleague.next_code())).status == 303
        assert await newsroom.owner.fetchval(f"{find} where scope = 'address'") == failed_at
    async with newsroom.open_browser() as attacker:
        assert [(await log_in(attacker, "niemand")).status for _ in range(2)] == [403, 429]


async def test_simultaneous_attempts_are_counted_before_they_are_checked(newsroom: NewsroomProcess) -> None:
    counters = list_counters("gleichzeitig", "192.0.2.7", None)
    async with newsroom.database.open_pool("kreisfunk_newsroom", size=10) as database:
        limits, now = SessionLimits(idle=timedelta(hours=1), total=timedelta(hours=1)), datetime.now(UTC)
        sessions = PostgresSessionRepository(database, limits)
        waits = await asyncio.gather(*(sessions.reserve_attempt(counters, now) for _ in range(20)))
    assert sorted(wait for wait, _ in waits) == [0.0] * 5 + [1.0] * 15
    assert (await newsroom.read_failures())["login", "gleichzeitig"] == 5


async def test_where_somebody_has_logged_in_others_do_not_lock_them_out_but_their_own_failures_do(
    newsroom: NewsroomProcess, member: Member, stranger: EditorBrowser
) -> None:
    login, victim = member.account.login, await newsroom.add_member(Role.EDITOR)
    assert (await log_in(stranger, login, code=member.next_code())).status == 303
    await stranger.log_out()
    for attacked in (login, victim.account.login):
        await newsroom.count_failures("login", attacked, 1_000)
    waits = await log_in(stranger, victim.account.login, code=victim.next_code())
    assert waits.status == 429, "it is no device of another account"
    await newsroom.count_failures("address", "127.0.0.1", 1_000)
    async with newsroom.open_browser() as attacker:
        assert (await log_in(attacker, login, code="000000")).status == 429
    assert (await log_in(stranger, login, code=member.next_code())).status == 303
    await stranger.log_out()
    await log_in(stranger, login, password="falsch")
    ((scope, device),) = [key for key in await newsroom.read_failures() if key[0] == "device"]
    await newsroom.count_failures(scope, device, 40)
    assert (await log_in(stranger, login, code=member.next_code())).status == 429


@pytest.mark.parametrize("destination", ["//evil.example", "/\r\nSet-Cookie: a=b"])
async def test_logging_in_leads_nowhere_else(destination: str, member: Member, stranger: EditorBrowser) -> None:
    found = await log_in(stranger, member.account.login, code=member.next_code(), weiter=destination)
    assert (found.status, found.location) == (303, "/")


async def test_a_login_that_succeeds_and_another_attempt_on_it_do_not_wait_for_each_other(
    newsroom: NewsroomProcess,
) -> None:
    """An attempt locks its counters by their keys, whichever of them the table has first."""
    attempt = (list_counters("anna", "192.0.2.7", None), [("login", "anna"), ("address", "192.0.2.7")])
    for scope, key in attempt[1]:
        await newsroom.count_failures(scope, key, 1)
    await newsroom.owner.execute("analyze newsroom.login_failure")
    lock = "select from newsroom.login_failure where scope = $1 for update"
    other = await asyncpg.connect(newsroom.database.url)
    async with newsroom.database.open_pool("kreisfunk_newsroom", size=1) as database:
        sessions = PostgresSessionRepository(database, SessionLimits(idle=timedelta(1), total=timedelta(1)))
        async with other.transaction():
            await other.execute(lock, "address")
            settling = asyncio.create_task(sessions.settle_attempt(attempt[0]))
            await wait_until_locked(newsroom.owner)
            await other.execute(lock, "login")
        await settling
    await other.close()
    assert await newsroom.read_failures() == {("login", "anna"): 0, ("address", "192.0.2.7"): 0}


async def test_logging_in_leads_back_to_where_one_wanted_to_go(member: Member, stranger: EditorBrowser) -> None:
    asked = await stranger.open("/konten?erledigt=beendet")
    form = await stranger.open(asked.location)
    destination = unescape(form.read_value("weiter"))
    found = await log_in(stranger, member.account.login, code=member.next_code(), weiter=destination)
    assert found.location == "/konten?erledigt=beendet"


async def test_logging_out_ends_the_session_everywhere(browser: EditorBrowser) -> None:
    csrf = (await browser.open("/profil")).csrf
    cookies = {cookie.key: cookie.value for cookie in browser.session.cookie_jar}
    await browser.send("/abmelden", csrf=csrf)
    assert (await browser.open("/profil", Cookie=f"kreisfunk-session={cookies['kreisfunk-session']}")).status == 303


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("update newsroom.session set seen_at = now() - $2::interval where account = $1", timedelta(minutes=61)),
        ("update newsroom.session set created_at = now() - $2::interval where account = $1", timedelta(hours=13)),
        ("update newsroom.session set revoked_at = now() - $2::interval where account = $1", timedelta(0)),
        ("update newsroom.account set disabled_at = now() - $2::interval where id = $1", timedelta(0)),
    ],
    ids=["idle", "old", "revoked", "disabled"],
)
async def test_a_session_ends_at_once(change: str, value: timedelta, member: Member, browser: EditorBrowser) -> None:
    assert (await browser.open("/profil")).status == 200
    await browser.owner.execute(change, member.account.id, value)
    assert (await browser.open("/profil")).location == "/anmelden?weiter=%2Fprofil"


async def test_a_visit_prolongs_a_session(member: Member, browser: EditorBrowser) -> None:
    ago = "select now() - seen_at < interval '1 minute' from newsroom.session where account = $1"
    await browser.owner.execute(
        "update newsroom.session set seen_at = now() - interval '50 minutes' where account = $1", member.account.id
    )
    assert await browser.owner.fetchval(ago, member.account.id) is False
    await browser.open("/profil")
    assert await browser.owner.fetchval(ago, member.account.id) is True


async def test_old_failures_and_sessions_are_deleted(
    newsroom: NewsroomProcess, newsroom_broker: str, member: Member, tmp_path: Path
) -> None:
    await newsroom.owner.execute(
        "insert into newsroom.login_failure values ('login', 'alt', 9, now() - interval '25 hours')"
    )
    await newsroom.owner.execute(
        "insert into newsroom.session (token_hash, account, csrf, stage, created_at)"
        " values ('alt', $1, 'x', 'open', now() - interval '31 days')",
        member.account.id,
    )

    left = (
        "select (select count(*) from newsroom.login_failure where key = 'alt')"
        " + (select count(*) from newsroom.session where csrf = 'x')"
    )
    async with run_newsroom(newsroom_broker, newsroom.database, tmp_path):
        await wait_until_equal(lambda: newsroom.owner.fetchval(left), 0)


async def crowd(newsroom: NewsroomProcess) -> list[ShownPage]:
    """Many browsers at once, each with another name, and none with a password."""
    async with newsroom.open_browser() as opened:
        return await asyncio.gather(*(log_in(opened, f"crowd-{number}") for number in range(3 * MAX_STRANGERS)))


async def test_strangers_beyond_the_limit_are_refused_at_once_until_they_are_gone_and_a_known_browser_is_not(
    newsroom: NewsroomProcess, member: Member, stranger: EditorBrowser
) -> None:
    login, other = member.account.login, await newsroom.add_member(Role.EDITOR)
    await log_in(stranger, login, code=member.next_code())
    await stranger.log_out()
    found, known = await asyncio.gather(crowd(newsroom), log_in(stranger, login, code=member.next_code()))
    assert known.status == 303
    refused = {f"crowd-{number}": page for number, page in enumerate(found) if page.status == 503}
    assert refused
    for page in refused.values():
        assert "Gerade melden sich sehr viele an" in page.text
        assert page.headers["Retry-After"] == "60"
    assert not set(refused) & {key for _, key in await newsroom.read_failures()}, "nothing was tried"
    await newsroom.owner.execute("delete from newsroom.login_failure")
    async with newsroom.open_browser() as later:
        assert (await log_in(later, other.account.login, code=other.next_code())).status == 303
