"""No role of ours has a place for data that no retention rule knows."""

import json
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest

from cli.migrate.database import migrate_database
from cli.settings import MigrationSettings
from cli.stacks import read_settings_from
from tests.databases import ROLE_PASSWORD, ROLES, FreshDatabase
from tests.servers import connect_to_database

PLACES = (
    "create temporary table kept (number text)",
    "select lo_creat(-1)",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'kept')",
)


@pytest.fixture(scope="module")
async def migrated(module_database: FreshDatabase) -> FreshDatabase:
    """As an installation's: `kreisfunk migrate` has run."""
    password = unquote(urlsplit(module_database.url).password or "")
    environment = {
        "KREISFUNK_BROKER_URL": "amqp://nobody@127.0.0.1:1/",
        "KREISFUNK_BROKER_PASSWORD": "unused",
        "KREISFUNK_BROKER_API_URL": "http://127.0.0.1:1",
        "KREISFUNK_DATABASE_URL": module_database.url.replace(f":{password}@", "@"),
        "KREISFUNK_DATABASE_PASSWORD": password,
        "KREISFUNK_LOGIN_PASSWORDS": json.dumps(dict.fromkeys(ROLES, ROLE_PASSWORD)),
    }
    settings = read_settings_from(environment, MigrationSettings)
    for _ in range(2):
        await migrate_database(settings)
    return module_database


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_keeps_nothing_in_temporary_tables_and_large_objects(migrated: FreshDatabase, role: str) -> None:
    async with connect_to_database(migrated.build_role_url(role)) as connection:
        for statement in PLACES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
