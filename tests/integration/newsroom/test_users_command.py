"""`kreisfunk newsroom users`, as the operator of the server calls it."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import asyncpg
import pytest

from tests.databases import FreshDatabase, create_database
from tests.harness.commands import CommandResult, run_in_process
from tests.servers import Servers

NORD = ("r.nord", "--name", "Redaktion Nord", "--role", "editor", "--role", "operator")


Users = Callable[..., Awaitable[CommandResult]]
run_users = partial(run_in_process, "newsroom", "users")


@pytest.fixture
def users(database: FreshDatabase) -> Users:
    """The command, with the database and the role of the newsroom."""
    return partial(run_users, environment={"KREISFUNK_DATABASE_URL": database.build_role_url("kreisfunk_newsroom")})


async def test_a_password_is_printed_once_and_stored_as_a_hash(users: Users, owner: asyncpg.Connection) -> None:
    made = await users("add", *NORD)
    password = made.output.strip()
    assert (made.status, len(password)) == (0, 16)
    row = await owner.fetchrow("select * from newsroom.account")
    assert row is not None
    assert (row["login"], row["name"], row["roles"]) == ("r.nord", "Redaktion Nord", ["editor", "operator"])
    assert row["password_hash"].startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert password not in str(dict(row))
    listed = await users("list")
    assert "r.nord" in listed.output
    assert not [secret for secret in (password, row["password_hash"]) if secret in listed.everything]


async def test_disabled_and_reset_accounts_are_shown_as_such_and_the_audit_names_the_command_line(
    users: Users, owner: asyncpg.Connection
) -> None:
    await users("add", *NORD)
    assert (await users("disable", "r.nord")).output == "disabled r.nord\n"
    (user,) = (await users("list", "--json")).json["users"]
    assert user["disabled"] is True
    reset = (await users("reset", "r.nord", "--json")).json
    assert (reset["login"], len(reset["password"])) == ("r.nord", 16)
    (user,) = (await users("list", "--json")).json["users"]
    assert user["disabled"] is False
    rows = await owner.fetch("select account, action, object from newsroom.audit order by id")
    acts = [f"account.{each}" for each in ("created", "disabled", "reset")]
    assert [tuple(row) for row in rows] == [(None, act, "r.nord") for act in acts]


async def test_a_second_account_may_belong_to_the_same_person(users: Users) -> None:
    await users("add", *NORD)
    second = ("nord2", "--name", "Redaktion Nord", "--role", "approver", "--same-person", "r.nord")
    third = ("max", "--name", "Freigabe 2", "--role", "approver")
    for arguments in (second, third):
        assert (await users("add", *arguments)).status == 0
    found = (await users("list", "--json")).json["users"]
    persons = {user["login"]: user["person"] for user in found}
    assert persons["nord2"] == persons["r.nord"] != persons["max"]


REFUSED: Mapping[tuple[str, ...], int] = {
    ("add", *NORD): 3,
    ("add", "../x", "--name", "X", "--role", "editor"): 2,
    ("add", "x.y", "--name", "", "--role", "editor"): 2,
    ("add", "x.y", "--name", "X", "--role", "root"): 2,
    ("add", "x.y", "--name", "X"): 2,
    ("add", "x.y", "--name", "X", "--role", "editor", "--same-person", "niemand"): 3,
    ("disable", "niemand"): 3,
    ("reset", "niemand"): 3,
}


async def test_what_cannot_be_is_refused_and_changes_nothing(users: Users, owner: asyncpg.Connection) -> None:
    await users("add", *NORD)
    before = await owner.fetch("select * from newsroom.account")
    statuses = {each: (await users(*each)).status for each in REFUSED}
    assert statuses == REFUSED
    assert await owner.fetch("select * from newsroom.account") == before


async def test_a_database_that_is_away_is_said_to_be() -> None:
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
