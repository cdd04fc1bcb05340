"""`kreisfunk migrate` whose connection to the database is lost midway."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from cli.migrate import database
from tests.databases import create_database
from tests.harness.commands import build_admin_settings, run_in_process
from tests.servers import Servers


async def test_a_connection_that_is_lost_during_a_migration_is_told_with_advice(
    servers: Servers, vhost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "20270101000000_lost.sql").write_text("-- migrate:up\nselect pg_terminate_backend(pg_backend_pid());\n")
    monkeypatch.setattr(database, "locate_migrations", lambda _: tmp_path)
    async with create_database(servers, "template1") as empty:
        owner = urlsplit(empty.url).password or ""
        environment = {
            **build_admin_settings(servers, vhost),
            "KREISFUNK_DATABASE_URL": empty.url.replace(f":{owner}@", "@"),
            "KREISFUNK_DATABASE_PASSWORD": unquote(owner) or "x",
        }
        ended = await run_in_process("migrate", environment=environment)
    assert (ended.status, ended.output) == (1, "")
    assert "Are PostgreSQL and RabbitMQ up" in ended.errors
