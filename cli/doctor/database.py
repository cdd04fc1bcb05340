"""Checks of PostgreSQL: login, rights of each role, migrations."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from cli.doctor.findings import DoctorProblem
from cli.migrate.database import SCHEMAS, locate_migrations
from shared.database.connecting import connect
from shared.database.migrations import MigrationError, list_pending_versions
from shared.database.replication import (
    AsynchronousCommitError,
    count_synchronous_standbys,
    require_synchronous_commits,
)

CONNECT_TIMEOUT_SECONDS = 10
DatabaseCheck = Callable[[asyncpg.Connection], Awaitable[DoctorProblem | None]]

# Each row is a right that no service needs.
EXCESSIVE_RIGHTS = """
select reason from (values
    ('is a superuser or administers roles or databases', (
        select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
        from pg_roles where rolname = current_user)),
    ('may create schemas', has_database_privilege(current_database(), 'create')),
    ('may create tables', exists (
        select from pg_namespace where nspname !~ '^pg_' and has_schema_privilege(oid, 'create'))),
    ('owns tables or functions', exists (
        select from pg_roles where rolname = current_user and (
            exists (select from pg_class where relowner = pg_roles.oid)
            or exists (select from pg_proc where proowner = pg_roles.oid)))),
    ('may use tables of another service', exists (
        select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any($1) and c.relkind in ('r', 'p', 'v', 'm') and has_schema_privilege(n.oid, 'usage')
            and (has_any_column_privilege(c.oid, 'select, insert, update')
                or has_table_privilege(c.oid, 'delete, truncate')))),
    ('is a member of another role', exists (
        select from pg_auth_members where member = (select oid from pg_roles where rolname = current_user)))
) as rights (reason, held) where held
"""


def build_database_check(
    url: str, password: str | None, look: DatabaseCheck
) -> Callable[[], Awaitable[DoctorProblem | None]]:
    """Return a check that connects with this role and then runs `look`."""

    async def connect_and_look() -> DoctorProblem | None:
        try:
            async with _open_connection(url, password) as connection:
                return await look(connection)
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
            return DoctorProblem("the database refuses this role", _LOGIN_ADVICE)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return DoctorProblem(f"{type(error).__name__}", "Is PostgreSQL up, and are host, port and name right?")

    return connect_and_look


_LOGIN_ADVICE = "Check KREISFUNK_DATABASE_URL and KREISFUNK_DATABASE_PASSWORD, then run `kreisfunk migrate`."


@asynccontextmanager
async def _open_connection(url: str, password: str | None) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(url, password=password, timeout=CONNECT_TIMEOUT_SECONDS)
    try:
        yield connection
    finally:
        await connection.close()


async def check_connection(connection: asyncpg.Connection) -> DoctorProblem | None:
    """Check that the server answers."""
    await connection.execute("select true")
    return None


def build_rights_check(schema: str) -> DatabaseCheck:
    """Return a check that the role of the service with this schema has no rights beyond it."""

    async def look(connection: asyncpg.Connection) -> DoctorProblem | None:
        others = [other for other in SCHEMAS if other != schema]
        held = [row["reason"] for row in await connection.fetch(EXCESSIVE_RIGHTS, others)]
        if not held:
            return None
        return DoctorProblem(
            f"this role {', '.join(held)}", "Use the service's own role, and revoke what it has beyond it."
        )

    return look


def build_migrations_check(schema: str) -> DatabaseCheck:
    """Return a check that all migrations of this version have run and none was changed since."""

    async def look(connection: asyncpg.Connection) -> DoctorProblem | None:
        try:
            pending = await list_pending_versions(connection, schema, locate_migrations(schema))
        except MigrationError as error:
            return DoctorProblem(str(error), "Restore the file as it was, and put the change into a new migration.")
        except asyncpg.InsufficientPrivilegeError:
            return DoctorProblem("this role may not read the list of migrations", "Run `kreisfunk migrate`.")
        return DoctorProblem(f"{len(pending)} migrations have not run", "Run `kreisfunk migrate`.") if pending else None

    return look


def build_standbys_check(expected: int) -> DatabaseCheck:
    """Return a check that every commit waits for a standby, and that so many are there, if this role may see them."""

    async def look(connection: asyncpg.Connection) -> DoctorProblem | None:
        try:
            await require_synchronous_commits(connection)
        except AsynchronousCommitError as error:
            return DoctorProblem(f"{error}", 'See "Replicated parts" in docs/reliability.md.')
        count = await count_synchronous_standbys(connection)
        if count is not None and count < expected:
            return DoctorProblem(
                f"{count} of {expected} standbys are there", "Bring back the others; without any, no commit returns."
            )
        return None

    return look
