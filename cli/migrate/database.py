"""Migration of the database: the schema of each service, then restrictions and logins of the roles."""

from collections.abc import Mapping
from pathlib import Path

import asyncpg
from pydantic import SecretStr

import services
from cli.database import open_connection
from cli.migrate.verifier import build_verifier
from cli.settings import MigrationSettings
from shared.database.migrations import migrate
from shared.database.replication import require_synchronous_commits

SCHEMAS = ("subscriptions", "dispatcher", "newsroom")
ROLE_PREFIX = "kreisfunk_"
# PostgreSQL grants these to every role by default: places for data that no retention rule covers.
TEMPORARY_TABLES = "select format('revoke temporary on database %I from public', current_database())"
# Only a superuser can take these; whoever has lost them may not even try.
LARGE_OBJECTS = """
select 'revoke execute on function ' || string_agg(function::text, ', ') || ' from public'
from unnest(array['lo_creat(integer)', 'lo_create(oid)', 'lo_from_bytea(oid, bytea)']::regprocedure[]) as function
where has_function_privilege('public', function, 'execute')
"""


def locate_migrations(schema: str) -> Path:
    """Return the folder of a service's migrations."""
    return Path(services.__path__[0]) / schema / "adapters" / "migrations"


async def migrate_database(settings: MigrationSettings) -> list[str]:
    """Migrate the database and return the steps, a line each.

    Raises MigrationError, AsynchronousCommitError, OSError or PostgresError.
    """
    async with open_connection(settings, "migrate") as connection:
        if settings.database_standbys:
            await require_synchronous_commits(connection)
        return await _run_migrations(connection, settings.login_passwords)


async def _run_migrations(connection: asyncpg.Connection, passwords: Mapping[str, SecretStr]) -> list[str]:
    lines = []
    for schema in SCHEMAS:
        done = await migrate(connection, schema, locate_migrations(schema))
        lines.append(f"schema {schema}: {len(done)} migrations run" if done else f"schema {schema}: up to date")
    lines.append(await _restrict_public(connection))
    for role, password in passwords.items():
        if role.startswith(ROLE_PREFIX):
            await _enable_login(connection, role, password.get_secret_value())
            lines.append(f"role {role}: can log in")
    return lines


async def _restrict_public(connection: asyncpg.Connection) -> str:
    await connection.execute(await connection.fetchval(TEMPORARY_TABLES))
    if revocation := await connection.fetchval(LARGE_OBJECTS):
        await connection.execute(revocation)  # by anybody but a superuser, it only warns
        if await connection.fetchval(LARGE_OBJECTS):
            return f"public: no temporary tables, but large objects; a superuser has to run: {revocation}"
    return "public: neither temporary tables nor large objects"


async def _enable_login(connection: asyncpg.Connection, role: str, password: str) -> None:
    # DDL takes no parameters, so the server quotes the values, and may log them.
    statement = await connection.fetchval(
        "select format('alter role %I login password %L', $1::text, $2::text)", role, build_verifier(password)
    )
    await connection.execute(statement)
