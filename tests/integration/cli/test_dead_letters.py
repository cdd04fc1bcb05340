"""`kreisfunk dead-letters` on a real database, with the operator's role."""

from collections.abc import Mapping

import asyncpg
import pytest

from tests.databases import FreshDatabase
from tests.harness.commands import CommandResult, run_in_process

IDS = ("aaaaaaaa-0000-8000-8000-000000000001", "aabbbbbb-0000-8000-8000-000000000002")


@pytest.fixture
def environment(database: FreshDatabase) -> Mapping[str, str]:
    return {"KREISFUNK_DATABASE_URL": database.build_role_url("kreisfunk_operator")}


@pytest.fixture
async def letters(database: FreshDatabase) -> None:
    for identifier in IDS:
        await owned(
            database,
            "insert into subscriptions.dead_letter (id, reason, body_sealed, senders)"
            " values ($1, 'unexpected DataError', 'sealed', '{}')",
            identifier,
        )


async def owned(database: FreshDatabase, statement: str, *arguments: object) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(database.url)
    try:
        return [tuple(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


async def dead_letters(*arguments: str, environment: Mapping[str, str]) -> CommandResult:
    return await run_in_process("dead-letters", *arguments, environment=environment)


async def test_nothing_is_told_as_such(environment: Mapping[str, str]) -> None:
    assert (await dead_letters("list", environment=environment)).output == "no dead letters\n"


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
async def test_one_or_all_are_to_be_handled_again(environment: Mapping[str, str], database: FreshDatabase) -> None:
    one = await dead_letters("replay", "aaaa", environment=environment)
    assert (one.status, one.output) == (0, "replay: 1\n")
    asked = "select replay_at is not null from subscriptions.dead_letter order by id"
    assert await owned(database, asked) == [(True,), (False,)]
    assert "is being handled again" in (await dead_letters("list", environment=environment)).output
    await dead_letters("replay", "--all", environment=environment)
    assert await owned(database, asked) == [(True,), (True,)]


@pytest.mark.usefixtures("letters")
async def test_one_or_all_are_dropped(environment: Mapping[str, str], database: FreshDatabase) -> None:
    left = "select count(*) from subscriptions.dead_letter"
    refused = await dead_letters("drop", "--all", environment=environment)
    assert (refused.status, await owned(database, left)) == (2, [(2,)])
    assert (await dead_letters("drop", "aabb", "--yes", environment=environment)).output == "drop: 1\n"
    assert await owned(database, left) == [(1,)]
    assert (await dead_letters("drop", "--all", "--yes", environment=environment)).status == 0
    assert await owned(database, left) == [(0,)]


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
    environment: Mapping[str, str], database: FreshDatabase, arguments: tuple[str, ...], status: int
) -> None:
    assert (await dead_letters(*arguments, environment=environment)).status == status
    assert await owned(database, "select count(*) from subscriptions.dead_letter where replay_at is null") == [(2,)]
