"""Migrations by an owner that is no superuser, as operators and providers of databases have it."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from cli.migrate.database import migrate_database
from cli.settings import MigrationSettings
from deploy.local import DATABASE, OWNER
from deploy.local.postgres import PostgresServer, run_postgres
from deploy.paths import ROOT
from tests.databases import ROLE_PASSWORD, ROLES
from tests.integration.privacy.test_roles import PLACES
from tests.servers import build_login_url

SUPERUSERS_PART = ROOT / "deploy" / "helm" / "kreisfunk" / "files" / "superuser.sql"
PLAIN_OWNER = "plain_owner"  # here the superuser has the owner's name


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[PostgresServer]:
    """One of its own, since roles that another login has made are not the owner's to change."""
    async with run_postgres(folder, ROLE_PASSWORD) as server:
        await run(
            server,
            f"create role {PLAIN_OWNER} login createrole password '{ROLE_PASSWORD}'",
            f"alter database {DATABASE} owner to {PLAIN_OWNER}",
        )
        yield server


async def run(server: PostgresServer, *statements: str) -> None:
    connection = await asyncpg.connect(server.url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def build_settings(server: PostgresServer, passwords: Mapping[str, str]) -> MigrationSettings:
    return MigrationSettings.model_validate(
        {
            "broker_url": "amqp://nobody@127.0.0.1:1/",
            "broker_password": "unused",
            "broker_api_url": "http://127.0.0.1:1",
            "database_url": build_login_url(server.url, PLAIN_OWNER, ROLE_PASSWORD),
            "database_password": ROLE_PASSWORD,
            "login_passwords": passwords,
        }
    )


async def test_it_needs_what_the_superuser_does_once_and_no_more(server: PostgresServer) -> None:
    settings = build_settings(server, dict.fromkeys(ROLES, ROLE_PASSWORD))
    said = await migrate_database(settings)
    assert "a superuser has to run: revoke execute on function lo_creat(integer)" in "\n".join(said)
    await run(server, f"alter role {PLAIN_OWNER} nocreaterole", SUPERUSERS_PART.read_text().replace(OWNER, PLAIN_OWNER))
    assert "public: neither temporary tables nor large objects" in await migrate_database(settings)
    for role in ROLES:
        connection = await asyncpg.connect(build_login_url(server.url, role, ROLE_PASSWORD))
        for statement in PLACES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()


async def test_no_password_is_in_the_log_of_a_server_that_logs_everything(server: PostgresServer, folder: Path) -> None:
    await run(
        server,
        f"alter role {PLAIN_OWNER} set log_statement = 'all'",
        f"alter role {PLAIN_OWNER} set log_error_verbosity = 'default'",  # with parameters
    )
    plain, foreign = "f4d2\\'$x y7c81e", "Grüße\u00a0aus\u00ad der ﬁnsteren Straße"
    await migrate_database(build_settings(server, {"kreisfunk_dispatcher": plain, "kreisfunk_subscriptions": foreign}))
    log = (folder / "postgres.log").read_text()
    assert "alter role kreisfunk_dispatcher login password" in log
    for password in (plain, foreign):
        assert password.split()[-1] not in log
    for role, password in (("kreisfunk_dispatcher", plain), ("kreisfunk_subscriptions", foreign)):
        connection = await asyncpg.connect(build_login_url(server.url, role, password))
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(build_login_url(server.url, role, f"{password}!"))
