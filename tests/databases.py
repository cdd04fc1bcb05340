"""Fresh databases for tests, copied from a template with all migrations."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncpg

from shared.database.migrations import migrate
from shared.database.pool import Database, open_database
from tests.servers import (
    Servers,
    build_database_url,
    build_login_url,
    connect_to_database,
    fetch_until,
    run_as_superuser,
)

SERVICES = Path(__file__).parents[1] / "services"
ROLES = (
    "kreisfunk_subscriptions",
    "kreisfunk_dispatcher",
    "kreisfunk_newsroom",
    "kreisfunk_monitor",
    "kreisfunk_operator",
    "kreisfunk_rotation",
)
# Locks alone: a transaction sees pg_stat_activity as it was at its first look.
_LOCKED = """
select count(*) from pg_locks where not granted and pid in (
    select pid from pg_locks join pg_database d on database = d.oid where datname = current_database())
"""
ROLE_PASSWORD = "only-for-tests"  # the same in every session, as an existing server may serve several at once


@dataclass(frozen=True, kw_only=True)
class FreshDatabase:
    """`url` is the superuser's; `build_role_url` returns a service's, with the rights from the migrations."""

    name: str
    url: str = field(repr=False)

    def build_role_url(self, role: str) -> str:
        return build_login_url(self.url, role, ROLE_PASSWORD)

    def open_pool(self, role: str, *, size: int) -> AbstractAsyncContextManager[Database]:
        return open_database(self.build_role_url(role), password=None, name="test", size=size)


@asynccontextmanager
async def create_template(servers: Servers) -> AsyncIterator[str]:
    async with create_database(servers, "template1") as template:
        await migrate_database(template.url)
        yield template.name


@asynccontextmanager
async def create_database(servers: Servers, template: str) -> AsyncIterator[FreshDatabase]:
    database = await copy_database(servers, template)
    try:
        yield database
    finally:
        await drop_database(servers, database)


async def copy_database(servers: Servers, template: str) -> FreshDatabase:
    name = f"test_{secrets.token_hex(6)}"
    # Copies files: the other strategy also writes every page to the log, which takes half as long again.
    await run_as_superuser(servers, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return FreshDatabase(name=name, url=build_database_url(servers.database_url, name))


async def drop_database(servers: Servers, database: FreshDatabase) -> None:
    await run_as_superuser(servers, f"DROP DATABASE {database.name} WITH (FORCE)")


async def migrate_database(url: str) -> None:
    """Migrate the database like `kreisfunk migrate`: the roles, then the schema of each service."""
    async with connect_to_database(url) as connection:
        for role in ROLES:
            await _ensure_role(connection, role)
        for folder in sorted(SERVICES.glob("*/adapters/migrations")):
            await migrate(connection, folder.parents[1].name, folder)


async def _ensure_role(connection: asyncpg.Connection, role: str) -> None:
    try:
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{ROLE_PASSWORD}'")
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{ROLE_PASSWORD}'")


async def insert_row(owner: asyncpg.Connection, table: str, values: Mapping[str, object]) -> None:
    placeholders = ", ".join(f"${number + 1}" for number in range(len(values)))
    statement = f"insert into {table} ({', '.join(values)}) values ({placeholders})"  # noqa: S608 - names of our own
    await owner.execute(statement, *values.values())


async def count_locked(database: Database | asyncpg.Connection) -> int:
    """Return how many of its transactions wait for others."""
    return int(await database.fetchval(_LOCKED))


async def wait_until_locked(database: Database | asyncpg.Connection, number: int = 1) -> None:
    """Wait until so many transactions wait for others."""
    await fetch_until(partial(count_locked, database), lambda locked: locked >= number)
