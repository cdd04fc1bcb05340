"""Migration of the database: the schema of each service, then restrictions and logins of the roles."""

import base64
import hashlib
import hmac
import os
import stringprep
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import asyncpg
from pydantic import SecretStr

import services
from cli.database import open_connection
from cli.settings import MigrationSettings
from shared.database.migrations import migrate, require_none_skipped
from shared.database.replication import require_synchronous_commits

SCHEMAS = ("subscriptions", "dispatcher", "newsroom")
ROLE_PREFIX = "kreisfunk_"
PASSWORD_ITERATIONS = 4096  # the server's default
SALT_BYTES = 16
# PostgreSQL grants these to every role by default, but no retention rule covers data there.
TEMPORARY_TABLES = "select format('revoke temporary on database %I from public', current_database())"
# Only a superuser can revoke these; a role without them may not even try.
LARGE_OBJECTS = """
select 'revoke execute on function ' || string_agg(function::text, ', ') || ' from public'
from unnest(array['lo_creat(integer)', 'lo_create(oid)', 'lo_from_bytea(oid, bytea)']::regprocedure[]) as function
where has_function_privilege('public', function, 'execute')
"""


def locate_migrations(schema: str) -> Path:
    return Path(services.__path__[0]) / schema / "adapters" / "migrations"


async def migrate_database(settings: MigrationSettings) -> list[str]:
    """Migrate the database and return the steps, a line each.

    Raises MigrationError, AsynchronousCommitError or one of UNAVAILABLE.
    """
    async with open_connection(settings, "migrate") as connection:
        if settings.database_standbys:
            await require_synchronous_commits(connection)
        return await _run_migrations(connection, settings.login_passwords)


async def _run_migrations(connection: asyncpg.Connection, passwords: Mapping[str, SecretStr]) -> list[str]:
    # One run at a time, until its connection ends: of two that change a role at once, PostgreSQL refuses one.
    await connection.execute("select pg_advisory_lock(hashtext('kreisfunk_migrate'))")
    for schema in SCHEMAS:
        await require_none_skipped(connection, schema, locate_migrations(schema))
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
        await connection.execute(revocation)  # only warns unless run by a superuser
        if await connection.fetchval(LARGE_OBJECTS):
            return f"public: no temporary tables, but large objects; a superuser has to run: {revocation}"
    return "public: neither temporary tables nor large objects"


async def _enable_login(connection: asyncpg.Connection, role: str, password: str) -> None:
    # DDL takes no parameters, so the server quotes the values. It may log them, hence the verifier, not the password.
    quote = "select format('alter role %I login password %L', $1::text, $2::text)"
    await connection.execute(await connection.fetchval(quote, role, _build_verifier(password)))


def _build_verifier(password: str) -> str:
    """Return the verifier that PostgreSQL stores for a password (SCRAM-SHA-256, RFC 5803), with a new salt."""
    salt = os.urandom(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", _prepare(password).encode(), salt, PASSWORD_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${PASSWORD_ITERATIONS}:{_encode(salt)}${_encode(stored_key)}:{_encode(server_key)}"


def _prepare(password: str) -> str:
    """Return the password as clients hash it (SASLprep, RFC 4013), with spaces and compatible letters unified."""
    kept = (letter for letter in password if not stringprep.in_table_b1(letter))
    spaced = (" " if stringprep.in_table_c12(letter) else letter for letter in kept)
    return unicodedata.normalize("NFKC", "".join(spaced))


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
