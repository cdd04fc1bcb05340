"""`kreisfunk dead-letters` on a real database, with the operator's role."""

import asyncio
import signal
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping

import asyncpg
import pytest

from tests.databases import FreshDatabase
from tests.harness.commands import CommandResult, run_in_process, run_on_terminal, start_kreisfunk
from tests.proxy import NetworkConditions, run_proxy_to
from tests.servers import WAIT_TIMEOUT_SECONDS, wait_for

IDS = ("aaaaaaaa-0000-8000-8000-000000000001", "aabbbbbb-0000-8000-8000-000000000002")


INSERT = """
insert into subscriptions.dead_letter (id, reason, body_sealed, senders)
values ($1, 'unexpected DataError', 'sealed', '{}')
"""

WAITS = """
select exists (select from pg_locks l join pg_database d on d.oid = l.database where not l.granted and d.datname = $1)
"""


@pytest.fixture
async def letters(owner: asyncpg.Connection) -> None:
    await owner.executemany(INSERT, [(identifier,) for identifier in IDS])


async def dead_letters(*arguments: str, environment: Mapping[str, str]) -> CommandResult:
    return await run_in_process("dead-letters", *arguments, environment=environment)


@pytest.mark.usefixtures("letters")
async def test_they_are_listed_with_their_reason_and_no_content(environment: Mapping[str, str]) -> None:
    ended = await dead_letters("list", "--limit", "1", environment=environment)
    assert ended.status == 0
    assert "unexpected DataError" in ended.output
    assert "1 more: --limit 2" in ended.output
    listed = await dead_letters("list", "--json", environment=environment)
    assert listed.json["total"] == 2
    assert [set(each) for each in listed.json["letters"]] == [{"id", "reason", "failed_at", "replay_at"}] * 2


@pytest.mark.usefixtures("letters")
async def test_one_or_all_are_to_be_handled_again(environment: Mapping[str, str], owner: asyncpg.Connection) -> None:
    one = await dead_letters("replay", "aaaa", environment=environment)
    assert (one.status, one.output) == (0, "replay: 1\n")
    asked = "select replay_at is not null from subscriptions.dead_letter order by id"
    assert [row[0] for row in await owner.fetch(asked)] == [True, False]
    assert "is being handled again" in (await dead_letters("list", environment=environment)).output
    await dead_letters("replay", "--all", environment=environment)
    assert [row[0] for row in await owner.fetch(asked)] == [True, True]


@pytest.mark.usefixtures("letters")
async def test_one_or_all_are_dropped(environment: Mapping[str, str], owner: asyncpg.Connection) -> None:
    left = "select count(*) from subscriptions.dead_letter"
    refused = await dead_letters("drop", "--all", environment=environment)
    assert (refused.status, await owner.fetchval(left)) == (2, 2)
    aborted = await run_on_terminal("dead-letters", "drop", "--all", typed="n", environment=environment)
    assert (aborted.status, await owner.fetchval(left)) == (1, 2)
    assert (await dead_letters("drop", "aabb", "--yes", environment=environment)).output == "drop: 1\n"
    assert (await dead_letters("drop", "", "--yes", environment=environment)).status == 2
    assert await owner.fetchval(left) == 1
    assert (await dead_letters("drop", "--all", "--yes", environment=environment)).status == 0
    assert await owner.fetchval(left) == 0
    assert (await dead_letters("list", environment=environment)).output == "no dead letters\n"


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("replay",), 2),
        (("drop", "--yes"), 2),
        (("replay", "aa", "--all"), 2),
        (("replay", "aa"), 3),
        (("replay", "%"), 3),
    ],
)
async def test_what_does_not_fit_changes_nothing(
    environment: Mapping[str, str], owner: asyncpg.Connection, arguments: tuple[str, ...], status: int
) -> None:
    assert (await dead_letters(*arguments, environment=environment)).status == status
    assert await owner.fetchval("select count(*) from subscriptions.dead_letter where replay_at is null") == 2


async def test_a_database_that_accepts_no_writes_is_named(
    database: FreshDatabase, environment: Mapping[str, str], owner: asyncpg.Connection
) -> None:
    """As a standby, or after an administrator has closed it."""
    await owner.execute(f"alter database {database.name} set default_transaction_read_only = on")
    ended = await dead_letters("list", environment=environment)
    assert (ended.status, "AcceptsWrites" in ended.errors) == (4, True)


async def test_ctrl_c_ends_a_command_although_the_database_is_frozen(
    database: FreshDatabase, environment: Mapping[str, str], owner: asyncpg.Connection
) -> None:
    async with run_proxy_to(environment["KREISFUNK_DATABASE_URL"]) as (proxy, url), owner.transaction():
        await owner.execute("lock table subscriptions.dead_letter in access exclusive mode")
        process = await start_kreisfunk(
            "dead-letters", "list", environment={"KREISFUNK_DATABASE_URL": url}, stderr=DEVNULL
        )

        async def waits() -> bool:
            return bool(await owner.fetchval(WAITS, database.name))

        await wait_for(waits)
        proxy.set_conditions(NetworkConditions(blackhole=True))
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), WAIT_TIMEOUT_SECONDS) != 0
