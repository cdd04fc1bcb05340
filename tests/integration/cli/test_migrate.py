"""`kreisfunk migrate` beside others: another one, or whoever reads a table that it has to change, as a backup does."""

import asyncio
import json
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest

from cli.migrate.database import SCHEMAS, locate_migrations, migrate_database
from cli.settings import MigrationSettings
from cli.stacks import read_settings_from
from shared.database import migrations
from shared.database.migrations import list_pending_versions, read_migrations
from tests.databases import ROLE_PASSWORD, FreshDatabase
from tests.harness.commands import build_admin_settings, run_in_process
from tests.integration.cli.merged_migrations import mark_pending, read_applied, replay_chain
from tests.servers import Servers

ROLES = ("subscriptions", "dispatcher", "newsroom", "rotation", "monitor", "operator")
VERSION = "20261209000000"  # of subscriptions; it adds columns to subscribers


@pytest.fixture
def environment(servers: Servers, vhost: str, database: FreshDatabase) -> dict[str, str]:
    return {
        **build_admin_settings(servers, vhost),
        "KREISFUNK_DATABASE_URL": database.url,
        "KREISFUNK_DATABASE_PASSWORD": unquote(urlsplit(database.url).password or ""),
        "KREISFUNK_LOGIN_PASSWORDS": json.dumps({f"kreisfunk_{role}": ROLE_PASSWORD for role in ROLES}),
    }


async def list_states(owner: asyncpg.Connection) -> list[list[str]]:
    """Return for each schema what has not run."""
    return [await list_pending_versions(owner, schema, locate_migrations(schema)) for schema in SCHEMAS]


async def test_of_several_at_once_none_fails(environment: dict[str, str]) -> None:
    settings = read_settings_from(environment, MigrationSettings)
    said = await asyncio.gather(*(migrate_database(settings) for _ in range(4)))
    assert [lines[-1] for lines in said] == ["role kreisfunk_operator: can log in"] * 4


async def test_a_table_in_use_is_no_fault_of_a_file(
    environment: dict[str, str], owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_SECONDS", 1)
    await mark_pending(owner, "subscriptions", VERSION)
    async with owner.transaction():
        await owner.execute("lock table subscriptions.subscriber in access share mode")
        ended = await run_in_process("migrate", environment=environment)
    assert (ended.status, "try again later" in ended.errors) == (1, True), ended.everything
    assert "new migration" not in ended.errors


async def test_a_database_that_ran_the_files_that_were_merged_is_up_to_date(
    environment: dict[str, str], owner: asyncpg.Connection
) -> None:
    await replay_chain(owner)
    chains = {schema: await read_applied(owner, schema) for schema in SCHEMAS}
    assert await list_states(owner) == [[], [], []], "no service waits"
    for _ in range(2):
        ended = await run_in_process("migrate", environment=environment)
        assert (ended.status, ended.output.count("up to date")) == (0, len(SCHEMAS)), ended.everything
    for schema, chain in chains.items():
        ours = {each.version: each.checksum for each in read_migrations(locate_migrations(schema))}
        # Services of the version before go on asking for the chain.
        assert await read_applied(owner, schema) == chain | ours


async def test_a_database_that_ran_only_some_of_them_is_not_changed(
    environment: dict[str, str], owner: asyncpg.Connection
) -> None:
    """Not even the schema of a service before."""
    await replay_chain(owner)
    await mark_pending(owner, "subscriptions", VERSION)
    await mark_pending(owner, "dispatcher", "20261208000000")
    pending = await list_states(owner)
    ended = await run_in_process("migrate", environment=environment)
    assert (ended.status, ended.output) == (1, ""), ended.everything
    assert "dispatcher 20261208000001 replaces files of which some have run, but not 20261208000000" in ended.errors
    assert "new migration" not in ended.errors
    assert await list_states(owner) == pending == [[VERSION], ["20261208000001"], []]
