"""Every table as of one moment, saved as text that PostgreSQL itself writes and reads (COPY), and restored.

The manifest has time, version and content of a backup. A restore recreates the schemas as they were, their rows, and
what this version has added since, in one transaction. A trial does the same in a temporary database.
"""

import secrets
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
from msgspec import Struct

from cli.backup.files import BackupFileError, FrameWriter
from cli.database import open_connection
from cli.migrate.database import SCHEMAS, locate_migrations
from cli.settings import BackupSettings
from deploy import VERSION
from shared.database.migrations import migrate, read_migrations, record_version

# A table includes its partitions; the migrations that have run are in the manifest.
_TABLES = """
select c.oid, n.nspname, c.relname, array(
        select a.attname::text from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum
    ) as columns,
    array(select k.confrelid from pg_constraint k where k.conrelid = c.oid and k.contype = 'f') as referred
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname = any($1::text[])
    and c.relname not in ('schema_migrations', 'schema_checksums')
order by n.nspname, c.relname
"""
_SEQUENCES = """
select format('%I.%I', schemaname, sequencename) as name, last_value from pg_sequences
where schemaname = any($1::text[]) and last_value is not null
"""
_WEEKS = r"""
select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'dispatcher.delivery'::regclass and c.relname ~ '^delivery_\d{8}$' order by 1
"""
_MIGRATED = "select version, checksum from {schema}.schema_migrations join {schema}.schema_checksums using (version)"
CHUNK_BYTES = 1 << 20
# Higher levels take several times as long and save a tenth.
COMPRESSION_LEVEL = 1
# Views of extensions, such as pg_stat_statements, are in every new database of some providers.
_FOREIGN = """
select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1 limit 3
"""
# As ensure_partitions does for the weeks around now.
_CREATE_WEEK = """
create table dispatcher.{week} (like dispatcher.delivery including defaults including constraints)
with (fillfactor = 70);
alter table dispatcher.delivery attach partition dispatcher.{week} for values from ('{begin}') to ('{end}')
"""
_MISSING_WEEKS = """
select week, dispatcher.lowest_id(w) as begin, dispatcher.lowest_id(w + interval '1 week') as end
from unnest($1::text[]) week, lateral (
    select to_date(right(week, 8), 'YYYYMMDD')::timestamp at time zone 'UTC' as w) monday
where to_regclass('dispatcher.' || week) is null
"""
# Named after the database whose backup is tried, as the server may host other installations.
_TRIAL_PREFIX = "select 'kreisfunk_verify_' || oid || '_' from pg_database where datname = current_database()"
_TRIALS = "select datname from pg_database where datname ~ ('^' || $1 || '[0-9a-f]{8}$')"
Frames = Iterator[bytes]
OnRows = Callable[[int, int], None]


class IncompatibleBackupError(Exception):
    """This version cannot restore the backup; the text says why and what to do."""


class SavedTable(Struct, frozen=True, kw_only=True):
    """A table; in the file it comes after the tables that it refers to."""

    schema: str
    name: str
    columns: tuple[str, ...]
    rows: int

    @property
    def query(self) -> str:
        return f"select {', '.join(self.columns)} from {self.schema}.{self.name}"  # noqa: S608 - our own names


class Manifest(Struct, frozen=True, kw_only=True):
    """Everything that was committed before `saved_at` is in the backup. `migrations` are checksums by version."""

    saved_at: datetime
    version: str
    server_version: int
    migrations: Mapping[str, Mapping[str, str]]
    weeks: tuple[str, ...]
    sequences: Mapping[str, int]
    tables: tuple[SavedTable, ...]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


async def _read_manifest(connection: asyncpg.Connection) -> Manifest:
    """Read the manifest in the snapshot of a transaction."""
    return Manifest(
        saved_at=await connection.fetchval("select transaction_timestamp()"),
        version=VERSION,
        server_version=int(await connection.fetchval("show server_version_num")),
        migrations={name: _build_mapping(await connection.fetch(_MIGRATED.format(schema=name))) for name in SCHEMAS},
        weeks=tuple(row[0] for row in await connection.fetch(_WEEKS)),
        sequences=_build_mapping(await connection.fetch(_SEQUENCES, SCHEMAS)),
        tables=tuple([table async for table in _list_tables(connection)]),
    )


def _build_mapping(rows: Sequence[asyncpg.Record]) -> dict[str, Any]:
    return {row[0]: row[1] for row in rows}


async def _list_tables(connection: asyncpg.Connection) -> AsyncIterator[SavedTable]:
    """Yield each table after those that it refers to."""
    tables = {row["oid"]: row for row in await connection.fetch(_TABLES, SCHEMAS)}
    order = TopologicalSorter({oid: set(row["referred"]) - {oid} for oid, row in tables.items()})
    for row in (tables[oid] for oid in order.static_order()):
        schema, name = row["nspname"], row["relname"]
        rows = await connection.fetchval(f"select count(*) from {schema}.{name}")  # noqa: S608 - as above
        yield SavedTable(schema=schema, name=name, columns=tuple(row["columns"]), rows=rows)


def check_migrations(manifest: Manifest) -> None:
    """Raise IncompatibleBackupError unless this version has all migrations that had run, unchanged."""
    for schema, done in manifest.migrations.items():
        migrations = read_migrations(locate_migrations(schema))
        ours = {migration.version: migration.checksum for migration in migrations}
        # What they did is in the migration that replaces them.
        replaced = {
            each for migration in migrations if migration.replaces <= done.keys() for each in migration.replaces
        }
        wrong = sorted(each for each in done.keys() - replaced if ours.get(each) != done[each])
        if wrong:
            raise IncompatibleBackupError(
                f"The backup is of version {manifest.version}; this is {VERSION}, which does not know migration"
                f" {wrong[0]} of {schema} as it was. Restore with the version that made the backup, then update."
            )


async def save_database(connection: asyncpg.Connection, writer: FrameWriter, on_rows: OnRows) -> Manifest:
    """Write everything as of one moment; `on_rows` gets the number of rows just written, and of all.

    Frames: the manifest; for each table its data after a zero byte, then an empty frame; another empty one at the end.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        manifest = await _read_manifest(connection)
        writer.write(msgspec.json.encode(manifest))
        for table in manifest.tables:
            await _save_table(connection, table, writer, lambda rows: on_rows(rows, manifest.rows))
    writer.write(b"", last=True)
    return manifest


async def _save_table(
    connection: asyncpg.Connection, table: SavedTable, writer: FrameWriter, on_rows: Callable[[int], None]
) -> None:
    """Write the rows; each is a line, since a line feed inside a value is escaped."""
    buffer = bytearray()

    def flush() -> None:
        data = bytes(buffer[:CHUNK_BYTES])
        del buffer[:CHUNK_BYTES]
        writer.write(b"\0" + zlib.compress(data, COMPRESSION_LEVEL))
        on_rows(data.count(b"\n"))

    async def collect(data: bytes) -> None:
        buffer.extend(data)
        while len(buffer) >= CHUNK_BYTES:
            flush()

    await connection.copy_from_query(table.query, output=collect)
    flush()
    writer.write(b"")


async def find_tables(connection: asyncpg.Connection) -> list[str]:
    """Return up to three tables, views or sequences that no extension made; an empty database has none."""
    return [row[0] for row in await connection.fetch(_FOREIGN)]


def read_head(frames: Frames) -> Manifest:
    """Return the manifest. Raises BackupFileError, or IncompatibleBackupError if this version cannot restore it."""
    try:
        manifest = msgspec.json.decode(next(frames), type=Manifest)
    except msgspec.DecodeError:
        raise BackupFileError("has a manifest that this version cannot read") from None
    check_migrations(manifest)
    return manifest


async def restore_database(owner: asyncpg.Connection, manifest: Manifest, frames: Frames, on_rows: OnRows) -> None:
    """Fill an empty database inside the caller's transaction. Raises BackupFileError; nothing may be committed then."""
    for schema, done in manifest.migrations.items():
        await migrate(owner, schema, locate_migrations(schema), versions=done.keys())
        recorded = _build_mapping(await owner.fetch(_MIGRATED.format(schema=schema)))
        for version in done.keys() - recorded.keys():
            await record_version(owner, schema, version, done[version])
    for week in await owner.fetch(_MISSING_WEEKS, manifest.weeks):
        await owner.execute(_CREATE_WEEK.format(**week))
    for table in manifest.tables:
        await _restore_table(owner, table, frames, lambda rows: on_rows(rows, manifest.rows))
    for name, value in manifest.sequences.items():
        await owner.execute("select setval($1::text::regclass, $2)", name, value)
    if next(frames, None) != b"" or next(frames, None) is not None:
        raise BackupFileError("has more data than its manifest says")
    for schema in SCHEMAS:
        await migrate(owner, schema, locate_migrations(schema))


async def _restore_table(
    connection: asyncpg.Connection, table: SavedTable, frames: Frames, on_rows: Callable[[int], None]
) -> None:
    async def read_rows() -> AsyncIterator[bytes]:
        for frame in frames:
            if not frame.startswith(b"\0"):
                return
            data = zlib.decompress(frame[1:])
            on_rows(data.count(b"\n"))
            yield data

    copied = connection.copy_to_table(table.name, schema_name=table.schema, columns=table.columns, source=read_rows())
    if await copied != f"COPY {table.rows}":
        raise BackupFileError(f"has other rows of {table.schema}.{table.name} than it says")


async def try_restore(
    owner: asyncpg.Connection, settings: BackupSettings, manifest: Manifest, frames: Frames, on_rows: OnRows
) -> None:
    """Restore a backup into a temporary database, and drop that database. Raises BackupFileError.

    Nothing is ever committed there, so no data remains even after a crash.
    """
    await owner.execute("select pg_advisory_lock(hashtext('kreisfunk_verify'))")  # one trial at a time
    prefix = await owner.fetchval(_TRIAL_PREFIX)
    for row in await owner.fetch(_TRIALS, prefix):  # left by killed trials; a database in use stays for now
        with suppress(asyncpg.ObjectInUseError):
            await owner.execute(f"drop database if exists {row[0]}")
    name = f"{prefix}{secrets.token_hex(4)}"
    url = urlunsplit(urlsplit(settings.database_url)._replace(path=f"/{name}"))
    await owner.execute(f"create database {name} template template0")
    try:
        async with open_connection(settings.model_copy(update={"database_url": url}), "backup") as connection:
            await restore_and_roll_back(connection, manifest, frames, on_rows)
    finally:
        await owner.execute(f"drop database {name} with (force)")


async def restore_and_roll_back(owner: asyncpg.Connection, manifest: Manifest, frames: Frames, on_rows: OnRows) -> None:
    """Restore a backup into an empty database, then roll back. Raises BackupFileError."""
    transaction = owner.transaction()
    await transaction.start()
    try:
        await restore_database(owner, manifest, frames, on_rows)
    finally:
        await transaction.rollback()
