"""What migrate says when somebody reads a table that it has to change, as a backup does."""

from urllib.parse import unquote, urlsplit

import asyncpg
import pytest

from shared.database import migrations
from tests.databases import FreshDatabase
from tests.harness.commands import build_broker_settings, run_in_process
from tests.servers import Servers

VERSION = "20261129000001"  # of the dispatcher; it changes rows of deliveries
FORGET = (
    "delete from dispatcher.schema_checksums where version = $1",
    "delete from dispatcher.schema_migrations where version = $1",
)


async def test_a_table_in_use_is_no_fault_of_a_file(
    servers: Servers,
    vhost: str,
    database: FreshDatabase,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_SECONDS", 1)
    for statement in FORGET:
        await owner.execute(statement, VERSION)
    environment = {
        **build_broker_settings(servers, vhost),
        "KREISFUNK_DATABASE_URL": database.url,
        "KREISFUNK_DATABASE_PASSWORD": unquote(urlsplit(database.url).password or ""),
        "KREISFUNK_LOGIN_PASSWORDS": "{}",
    }
    async with owner.transaction():
        await owner.execute("lock table dispatcher.delivery in exclusive mode")
        ended = await run_in_process("migrate", environment=environment)
    assert (ended.status, "try again later" in ended.errors) == (1, True), ended.everything
    assert "new migration" not in ended.errors
