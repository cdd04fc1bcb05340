"""The runner, with migrations of its own: of a service most are merged into one file."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from shared.database import migrations
from shared.database.migrations import MigrationError, SkippedVersion, list_pending_versions, migrate
from tests.databases import create_database
from tests.servers import WAIT_TIMEOUT_SECONDS, Servers, connect_to_database

SCHEMA = "example"
FIRST = "-- migrate:up\ncreate table example.person (id int);\n\n-- migrate:down\ndrop table example.person;\n"
SECOND = (
    "-- migrate:up\nalter table example.person add column name text;\n\n"
    "-- migrate:down\nalter table example.person drop column name;\n"
)
MERGED = (
    "-- replaces: 20270101000000\n-- replaces: 20270102000000\n-- migrate:up\n"
    "create table example.person (id int, name text);\n\n-- migrate:down\ndrop table example.person;\n"
)
_COLUMNS = "select attname from pg_attribute where attrelid = 'example.person'::regclass and attnum > 0 order by attnum"


@pytest.fixture
async def database_url(servers: Servers) -> AsyncIterator[str]:
    async with create_database(servers, "template1") as empty:
        yield empty.url


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    async with connect_to_database(database_url) as connection:
        yield connection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "20270101000000_person.sql").write_text(FIRST)
    return tmp_path


async def list_columns(owner: asyncpg.Connection) -> list[str]:
    return [row["attname"] for row in await owner.fetch(_COLUMNS)]


async def list_applied(owner: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await owner.fetch("select version from example.schema_migrations order by 1")]


async def test_a_second_migration_runs_alone_and_once(owner: asyncpg.Connection, folder: Path) -> None:
    assert await list_pending_versions(owner, SCHEMA, folder) == ["20270101000000"]
    assert await migrate(owner, SCHEMA, folder) == ["20270101000000"]
    assert await list_columns(owner) == ["id"]
    (folder / "20270102000000_name.sql").write_text(SECOND)
    assert await list_pending_versions(owner, SCHEMA, folder) == ["20270102000000"]
    assert await migrate(owner, SCHEMA, folder) == ["20270102000000"]
    assert await list_columns(owner) == ["id", "name"]
    assert await migrate(owner, SCHEMA, folder) == await list_pending_versions(owner, SCHEMA, folder) == []
    assert await list_applied(owner) == ["20270101000000", "20270102000000"]


async def test_an_empty_database_gets_both_in_order(owner: asyncpg.Connection, folder: Path) -> None:
    (folder / "20270102000000_name.sql").write_text(SECOND)
    assert await migrate(owner, SCHEMA, folder) == ["20270101000000", "20270102000000"]
    assert await list_columns(owner) == ["id", "name"]


async def test_nothing_runs_after_a_migration_was_changed(owner: asyncpg.Connection, folder: Path) -> None:
    await migrate(owner, SCHEMA, folder)
    (folder / "20270101000000_person.sql").write_text(FIRST.replace("id int", "id bigint"))
    (folder / "20270102000000_name.sql").write_text(SECOND)
    for run in (migrate, list_pending_versions):
        with pytest.raises(MigrationError, match="example 20270101000000 was changed after it ran"):
            await run(owner, SCHEMA, folder)
    assert await list_columns(owner) == ["id"]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("select 1 / 0;", asyncpg.DivisionByZeroError),
        # The version cannot be recorded any more.
        ("insert into example.schema_migrations values ('20270102000000');", asyncpg.UniqueViolationError),
    ],
)
async def test_a_failing_second_migration_leaves_the_first_version(
    owner: asyncpg.Connection, folder: Path, statement: str, error: type[Exception]
) -> None:
    await migrate(owner, SCHEMA, folder)
    (folder / "20270102000000_name.sql").write_text(SECOND.replace("name text;", f"name text; {statement}"))
    with pytest.raises(error):
        await migrate(owner, SCHEMA, folder)
    assert await list_columns(owner) == ["id"]
    assert await list_applied(owner) == ["20270101000000"]
    assert await list_pending_versions(owner, SCHEMA, folder) == ["20270102000000"]


async def test_a_table_in_use_is_waited_for_only_so_long(
    owner: asyncpg.Connection, database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_SECONDS", 1)
    await migrate(owner, SCHEMA, folder)
    (folder / "20270102000000_name.sql").write_text(SECOND)
    async with (
        connect_to_database(database_url) as reader,
        reader.transaction(),
        asyncio.timeout(WAIT_TIMEOUT_SECONDS),
    ):
        await reader.execute("select from example.person")
        with pytest.raises(MigrationError, match="a table is in use for more than 1 s"):
            await migrate(owner, SCHEMA, folder)
    assert await list_columns(owner) == ["id"]
    assert await owner.fetchval("show lock_timeout") == "0"
    assert await migrate(owner, SCHEMA, folder) == ["20270102000000"]


async def test_a_file_without_a_step_up_is_refused(owner: asyncpg.Connection, folder: Path) -> None:
    (folder / "20270102000000_name.sql").write_text("alter table example.person add column name text;\n")
    with pytest.raises(MigrationError, match=r"20270102000000_name\.sql: no line `-- migrate:up`"):
        await migrate(owner, SCHEMA, folder)


async def merge(owner: asyncpg.Connection, folder: Path, *, chain: list[str]) -> None:
    """Run the first file, or both, and put a merged one and a later one in their place."""
    (folder / "20270102000000_name.sql").write_text(SECOND)
    await migrate(owner, SCHEMA, folder, versions=set(chain))
    (folder / "20270101000000_person.sql").unlink()
    (folder / "20270102000000_name.sql").unlink()
    (folder / "20270102000001_merged.sql").write_text(MERGED)
    (folder / "20270103000000_born.sql").write_text(SECOND.replace("name", "born"))


async def test_a_merged_migration_runs_in_an_empty_database(owner: asyncpg.Connection, folder: Path) -> None:
    await merge(owner, folder, chain=[])
    assert await list_pending_versions(owner, SCHEMA, folder) == ["20270102000001", "20270103000000"]
    assert await migrate(owner, SCHEMA, folder) == ["20270102000001", "20270103000000"]
    assert await list_columns(owner) == ["id", "name", "born"]
    assert await list_applied(owner) == ["20270102000001", "20270103000000"]


async def test_a_merged_migration_has_run_where_all_that_it_replaces_has(
    owner: asyncpg.Connection, folder: Path
) -> None:
    """Services of the version before it find the versions that they ask for, those after it wait for no more."""
    chain = ["20270101000000", "20270102000000"]
    await merge(owner, folder, chain=chain)
    assert await list_pending_versions(owner, SCHEMA, folder) == ["20270103000000"]
    assert await list_applied(owner) == chain
    assert await migrate(owner, SCHEMA, folder) == ["20270103000000"]
    assert await list_columns(owner) == ["id", "name", "born"]
    assert await migrate(owner, SCHEMA, folder) == await list_pending_versions(owner, SCHEMA, folder) == []
    assert await list_applied(owner) == [*chain, "20270102000001", "20270103000000"]
    (folder / "20270102000001_merged.sql").write_text(MERGED.replace("id int", "id bigint"))
    with pytest.raises(MigrationError, match="example 20270102000001 was changed after it ran"):
        await migrate(owner, SCHEMA, folder)


async def test_a_merged_migration_is_refused_where_only_some_of_what_it_replaces_has_run(
    owner: asyncpg.Connection, folder: Path
) -> None:
    await merge(owner, folder, chain=["20270101000000"])
    assert await list_pending_versions(owner, SCHEMA, folder) == ["20270102000001", "20270103000000"]
    with pytest.raises(
        SkippedVersion, match=r"20270102000001 replaces .* but not 20270102000000: update to the last version"
    ):
        await migrate(owner, SCHEMA, folder)
    assert await list_columns(owner) == ["id"]
    assert await list_applied(owner) == ["20270101000000"]
