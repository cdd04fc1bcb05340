"""`kreisfunk newsroom users`, as the operator of the server calls it."""

from collections.abc import Mapping

import asyncpg
import pytest

from tests.databases import FreshDatabase, create_database
from tests.harness.commands import CommandResult, run_in_process
from tests.servers import Servers

NORD = ("r.nord", "--name", "Redaktion Nord", "--role", "editor", "--role", "operator")


@pytest.fixture
def environment(database: FreshDatabase) -> Mapping[str, str]:
    return {"KREISFUNK_DATABASE_URL": database.build_role_url("kreisfunk_newsroom")}


async def run_users(*arguments: str, environment: Mapping[str, str]) -> CommandResult:
    return await run_in_process("newsroom", "users", *arguments, environment=environment)


async def test_a_password_is_printed_once_and_stored_as_a_hash(
    environment: Mapping[str, str], owner: asyncpg.Connection
) -> None:
    made = await run_users("add", *NORD, environment=environment)
    password = made.output.strip()
    assert (made.status, len(password)) == (0, 16)
    row = await owner.fetchrow("select * from newsroom.account")
    assert row is not None
    assert (row["login"], row["name"], row["roles"]) == ("r.nord", "Redaktion Nord", ["editor", "operator"])
    assert row["password_hash"].startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert password not in str(dict(row))
    listed = await run_users("list", environment=environment)
    assert "r.nord" in listed.output
    assert not [secret for secret in (password, row["password_hash"]) if secret in listed.everything]


async def test_the_audit_says_that_the_command_line_did_it(
    environment: Mapping[str, str], owner: asyncpg.Connection
) -> None:
    await run_users("add", *NORD, environment=environment)
    await run_users("disable", "r.nord", environment=environment)
    await run_users("reset", "r.nord", environment=environment)
    rows = await owner.fetch("select account, action, object from newsroom.audit order by id")
    assert [tuple(row) for row in rows] == [
        (None, "account.created", "r.nord"),
        (None, "account.disabled", "r.nord"),
        (None, "account.reset", "r.nord"),
    ]


async def test_disabled_and_reset_accounts_are_shown_as_such(environment: Mapping[str, str]) -> None:
    await run_users("add", *NORD, environment=environment)
    assert (await run_users("disable", "r.nord", environment=environment)).output == "disabled r.nord\n"
    (user,) = (await run_users("list", "--json", environment=environment)).json["users"]
    assert user["disabled"] is True
    reset = (await run_users("reset", "r.nord", "--json", environment=environment)).json
    assert (reset["login"], len(reset["password"])) == ("r.nord", 16)
    (user,) = (await run_users("list", "--json", environment=environment)).json["users"]
    assert user["disabled"] is False


async def test_a_second_account_may_belong_to_the_same_person(environment: Mapping[str, str]) -> None:
    await run_users("add", *NORD, environment=environment)
    second = ("nord2", "--name", "Redaktion Nord", "--role", "approver", "--same-person", "r.nord")
    third = ("max", "--name", "Freigabe 2", "--role", "approver")
    for arguments in (second, third):
        assert (await run_users("add", *arguments, environment=environment)).status == 0
    users = (await run_users("list", "--json", environment=environment)).json["users"]
    persons = {user["login"]: user["person"] for user in users}
    assert persons["nord2"] == persons["r.nord"] != persons["max"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("add", *NORD), 3),
        (("add", "../x", "--name", "X", "--role", "editor"), 2),
        (("add", "x.y", "--name", "", "--role", "editor"), 2),
        (("add", "x.y", "--name", "X", "--role", "root"), 2),
        (("add", "x.y", "--name", "X"), 2),
        (("add", "x.y", "--name", "X", "--role", "editor", "--same-person", "niemand"), 3),
        (("disable", "niemand"), 3),
        (("reset", "niemand"), 3),
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    arguments: tuple[str, ...], status: int, environment: Mapping[str, str], owner: asyncpg.Connection
) -> None:
    await run_users("add", *NORD, environment=environment)
    before = await owner.fetch("select * from newsroom.account")
    assert (await run_users(*arguments, environment=environment)).status == status
    assert await owner.fetch("select * from newsroom.account") == before


async def test_a_database_that_is_away_is_said_to_be(environment: Mapping[str, str]) -> None:
    away = {"KREISFUNK_DATABASE_URL": "postgresql://kreisfunk_newsroom@127.0.0.1:9/x"}
    assert (await run_users("list", environment=away)).status == 4


async def test_another_role_is_told_which_one_may(database: FreshDatabase) -> None:
    operator = {"KREISFUNK_DATABASE_URL": database.build_role_url("kreisfunk_operator")}
    ended = await run_users("list", environment=operator)
    assert (ended.status, "kreisfunk_newsroom" in ended.errors, "Traceback" in ended.everything) == (4, True, False)


async def test_a_database_that_is_not_migrated_is_said_to_be(servers: Servers) -> None:
    async with create_database(servers, "template1") as empty:
        environment = {"KREISFUNK_DATABASE_URL": empty.build_role_url("kreisfunk_newsroom")}
        ended = await run_users("list", environment=environment)
    assert (ended.status, "kreisfunk migrate" in ended.errors, "Traceback" in ended.everything) == (4, True, False)
