"""`kreisfunk migrate` beside others: another one, or whoever reads a table that it has to change, as a backup does."""

import asyncio
import json
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest

from cli.migrate.database import migrate_database
from cli.settings import MigrationSettings
from cli.stacks import read_settings_from
from shared.database import migrations
from tests.databases import ROLE_PASSWORD, FreshDatabase
from tests.harness.commands import build_admin_settings, run_in_process
from tests.servers import Servers

ROLES = ("subscriptions", "dispatcher", "newsroom", "rotation", "monitor", "operator")
VERSION = "20261129000001"  # of the dispatcher; it changes rows of deliveries
FORGET = (
    "delete from dispatcher.schema_checksums where version = $1",
    "delete from dispatcher.schema_migrations where version = $1",
)


@pytest.fixture
def environment(servers: Servers, vhost: str, database: FreshDatabase) -> dict[str, str]:
    return {
        **build_admin_settings(servers, vhost),
        "KREISFUNK_DATABASE_URL": database.url,
        "KREISFUNK_DATABASE_PASSWORD": unquote(urlsplit(database.url).password or ""),
        "KREISFUNK_LOGIN_PASSWORDS": json.dumps({f"kreisfunk_{role}": ROLE_PASSWORD for role in ROLES}),
    }


async def test_of_several_at_once_none_fails(environment: dict[str, str]) -> None:
    settings = read_settings_from(environment, MigrationSettings)
    said = await asyncio.gather(*(migrate_database(settings) for _ in range(4)))
    assert [lines[-1] for lines in said] == ["role kreisfunk_operator: can log in"] * 4


async def test_a_table_in_use_is_no_fault_of_a_file(
    environment: dict[str, str], owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_SECONDS", 1)
    for statement in FORGET:
        await owner.execute(statement, VERSION)
    async with owner.transaction():
        await owner.execute("lock table dispatcher.delivery in exclusive mode")
        ended = await run_in_process("migrate", environment=environment)
    assert (ended.status, "try again later" in ended.errors) == (1, True), ended.everything
    assert "new migration" not in ended.errors
