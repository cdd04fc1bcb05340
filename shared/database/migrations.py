"""Runner of plain SQL migrations in dbmate's file format; safe when several replicas start at once.

A file is `<version>_<name>.sql` with `-- migrate:up` and, after it, `-- migrate:down`. The applied versions are stored
in `<schema>.schema_migrations`, and their checksums in `<schema>.schema_checksums`.

Lines `-- replaces: <version> …` before the step up of a schema's first file name those that were merged into it. Where
all of them have run, it counts as run. Their versions stay recorded, as services of the version before still ask for
them. dbmate ignores these lines: only this runner may apply the files.
"""

import hashlib
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from shared.database.pool import Database
from shared.outcome import DependencyUnavailable

# While a migration waits for a table lock, all later statements on that table wait as well.
LOCK_TIMEOUT_SECONDS = 5
_LOCK = 0x6B_72_65_69_73  # one advisory lock for all migrations of this database
_UP = re.compile(r"^-- migrate:up(?P<options>[^\n]*)\n(?P<sql>.*?)(?=^-- migrate:down|\Z)", re.DOTALL | re.MULTILINE)
_REPLACES = re.compile(r"^-- replaces:(.*)$", re.MULTILINE)
_SCHEMA_NAME = re.compile(r"^[a-z_]+$")


class MigrationError(Exception):
    """A migration file is malformed, or was changed after it ran: add a new migration instead."""


class TableInUse(MigrationError):
    """A table that a migration changes is in use. Try again later; nothing is wrong with the files."""


class SkippedVersion(MigrationError):
    """Only some of the files that were merged into a migration have run. Update to a version that has them first."""


class NotMigrated(DependencyUnavailable):
    """The schema is not up to date. The process waits until it is migrated."""


@dataclass(frozen=True)
class Migration:
    """Migration file: version and SQL of one step up, and the versions that are merged in it."""

    version: str
    sql: str
    transactional: bool
    replaces: frozenset[str] = frozenset()

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def is_among(self, versions: Set[str]) -> bool:
        """Return whether it is one of these, or all that it replaces are."""
        return self.version in versions or (bool(self.replaces) and self.replaces <= versions)


def read_migrations(folder: Path) -> list[Migration]:
    """Return all migrations of a folder, ordered by version. Raises MigrationError."""
    return [_parse(path) for path in sorted(folder.glob("*.sql"))]


def _parse(path: Path) -> Migration:
    text = path.read_text()
    match = _UP.search(text)
    if match is None:
        raise MigrationError(f"{path.name}: no line `-- migrate:up`")
    transactional = "transaction:false" not in match["options"]
    replaces = frozenset(" ".join(_REPLACES.findall(text[: match.start()])).split())
    return Migration(path.stem.partition("_")[0], match["sql"], transactional, replaces)


async def migrate(
    connection: asyncpg.Connection, schema: str, folder: Path, versions: Set[str] | None = None
) -> list[str]:
    """Run all pending migrations of a schema, or only `versions`, and return those that ran. Raises MigrationError."""
    migrations = [step for step in read_migrations(folder) if versions is None or step.is_among(versions)]
    await connection.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        await _prepare(connection, schema)
        await require_none_skipped(connection, schema, folder)
        applied = await _read_applied(connection, schema, migrations)
        pending = [migration for migration in migrations if not migration.is_among(applied)]
        for migration in migrations:
            if migration in pending:
                await _apply(connection, schema, migration)
            elif migration.version not in applied:
                await record_version(connection, schema, migration.version, migration.checksum)
        return [migration.version for migration in pending]
    finally:
        await connection.execute("select pg_advisory_unlock($1)", _LOCK)


async def list_pending_versions(
    connection: asyncpg.Connection | PoolConnectionProxy, schema: str, folder: Path
) -> list[str]:
    """Return the versions that have not run; all of them if the schema does not exist."""
    migrations = read_migrations(folder)
    applied = await _read_applied(connection, schema, migrations)
    return [migration.version for migration in migrations if not migration.is_among(applied)]


async def require_none_skipped(connection: asyncpg.Connection, schema: str, folder: Path) -> None:
    """Raise SkippedVersion if only some of the files that were merged into a migration have run."""
    migrations = read_migrations(folder)
    applied = await _read_applied(connection, schema, migrations)
    for migration in migrations:
        skipped = sorted(migration.replaces - applied)
        if skipped and applied and migration.version not in applied:
            raise SkippedVersion(
                f"{schema} {migration.version} replaces files of which some have run, but not {', '.join(skipped)}:"
                " update to the last version that has them first, then to this one"
            )


async def is_migrated(database: Database, schema: str, folder: Path) -> bool:
    """Return whether all migrations have run; for readiness."""
    async with database.connection() as connection:
        return not await list_pending_versions(connection, schema, folder)


async def require_migrated(database: Database, schema: str, folder: Path) -> None:
    if not await is_migrated(database, schema, folder):
        raise NotMigrated("the schema is not up to date: run `kreisfunk migrate`")


async def _prepare(connection: asyncpg.Connection, schema: str) -> None:
    if not _SCHEMA_NAME.match(schema):
        raise MigrationError("a schema name has lower-case letters and underscores only")
    await connection.execute(f"""
        create schema if not exists {schema};
        create table if not exists {schema}.schema_migrations (version varchar(128) primary key);
        create table if not exists {schema}.schema_checksums (
            version varchar(128) primary key references {schema}.schema_migrations, checksum text not null);
        comment on table {schema}.schema_migrations is 'migrations that have run';
        comment on column {schema}.schema_migrations.version is 'time in the name of the file';
        comment on table {schema}.schema_checksums is 'checksums of migrations that have run';
        comment on column {schema}.schema_checksums.version is 'time in the name of the file';
        comment on column {schema}.schema_checksums.checksum is 'SHA-256 of the step up, in hexadecimal';
    """)


async def _read_applied(
    connection: asyncpg.Connection | PoolConnectionProxy, schema: str, migrations: Sequence[Migration]
) -> Set[str]:
    """Return the versions that have run; none if the schema does not exist. Raises MigrationError."""
    if await connection.fetchval("select to_regclass($1)", f"{schema}.schema_migrations") is None:
        return frozenset()
    rows = await connection.fetch(
        f"select version, checksum from {schema}.schema_migrations left join {schema}.schema_checksums"  # noqa: S608 - checked name
        " using (version)"
    )
    checksums = {row["version"]: row["checksum"] for row in rows}
    for migration in migrations:
        if checksums.get(migration.version) not in (None, migration.checksum):
            raise MigrationError(f"{schema} {migration.version} was changed after it ran")
    return checksums.keys()


async def _apply(connection: asyncpg.Connection, schema: str, migration: Migration) -> None:
    try:
        await connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
        await _run(connection, schema, migration)
    except asyncpg.LockNotAvailableError:
        raise TableInUse(
            f"{schema} {migration.version}: a table is in use for more than {LOCK_TIMEOUT_SECONDS} s, such as by a"
            " backup; nothing was changed, try again later"
        ) from None
    finally:
        await connection.execute("reset lock_timeout")


async def _run(connection: asyncpg.Connection, schema: str, migration: Migration) -> None:
    if not migration.transactional:
        await connection.execute(migration.sql)
    async with connection.transaction():
        if migration.transactional:
            await connection.execute(migration.sql)
        await record_version(connection, schema, migration.version, migration.checksum)


async def record_version(connection: asyncpg.Connection, schema: str, version: str, checksum: str) -> None:
    """Record that a version has run, or, in a restored database, that its file has been merged into one that has."""
    await connection.execute(
        f"with done as (insert into {schema}.schema_migrations values ($1))"  # noqa: S608 - checked name
        f" insert into {schema}.schema_checksums values ($1, $2)",
        version,
        checksum,
    )
