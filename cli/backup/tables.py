"""Every table as of one moment, saved as text that PostgreSQL itself writes and reads (COPY), and restored.

Restoring makes the schemas as they were, their rows, and what this version added since, in one transaction.
"""

import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import asyncpg
import msgspec

from cli.backup.frames import BackupFileError, FrameWriter
from cli.backup.manifest import Manifest, SavedTable, TableSum, check_migrations, read_manifest
from cli.migrate.database import SCHEMAS, locate_migrations
from shared.database.migrations import migrate

CHUNK_BYTES = 1 << 20
# Higher levels take several times as long for a tenth less.
COMPRESSION_LEVEL = 1
_FOREIGN = """
select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
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
OnRows = Callable[[int, int], None]


@dataclass
class _TableWriter:
    """Writer of one table; a row is a line, since a line feed inside a value is escaped."""

    writer: FrameWriter
    on_rows: Callable[[int], None]
    _waiting: bytearray = field(default_factory=bytearray)
    _rows: int = 0
    _size: int = 0

    def __post_init__(self) -> None:
        self._hash = hashlib.sha256()

    async def take(self, data: bytes) -> None:
        """Take what the server sends."""
        self._waiting += data
        while len(self._waiting) >= CHUNK_BYTES:
            self._flush()

    def finish(self) -> TableSum:
        self._flush()
        return TableSum(rows=self._rows, size=self._size, sha256=self._hash.hexdigest())

    def _flush(self) -> None:
        data = bytes(self._waiting[:CHUNK_BYTES])
        del self._waiting[:CHUNK_BYTES]
        self._hash.update(data)
        self._size += len(data)
        rows = data.count(b"\n")
        self._rows += rows
        self.writer.write(b"\0" + zlib.compress(data, COMPRESSION_LEVEL))
        self.on_rows(rows)


async def save_database(connection: asyncpg.Connection, writer: FrameWriter, on_rows: OnRows) -> Manifest:
    """Write everything as of one moment; `on_rows` gets the number of rows just written, and of all.

    Frames: the manifest; for each table its data after a zero byte and then its sum; at last an empty one.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        manifest = await read_manifest(connection)
        writer.write(msgspec.json.encode(manifest))
        for table in manifest.tables:
            output = _TableWriter(writer, lambda rows: on_rows(rows, manifest.rows))
            await connection.copy_from_query(table.query, output=output.take)
            writer.write(msgspec.json.encode(output.finish()))
    writer.write(b"", last=True)
    return manifest


async def find_tables(connection: asyncpg.Connection) -> list[str]:
    """Return up to three tables, views or sequences; a database without any is empty."""
    return [row[0] for row in await connection.fetch(_FOREIGN)]


def read_head(frames: Iterator[bytes]) -> Manifest:
    """Return the manifest. Raises BackupFileError, or IncompatibleBackupError if this version cannot restore it."""
    try:
        manifest = msgspec.json.decode(next(frames), type=Manifest)
    except msgspec.DecodeError:
        raise BackupFileError("has a manifest that this version cannot read") from None
    check_migrations(manifest)
    return manifest


async def restore_database(
    connection: asyncpg.Connection, manifest: Manifest, frames: Iterator[bytes], on_rows: OnRows
) -> None:
    """Fill an empty database inside the caller's transaction. Raises BackupFileError; nothing may be committed then."""
    for schema, done in manifest.migrations.items():
        await migrate(connection, schema, locate_migrations(schema), versions=done.keys())
    for week in await connection.fetch(_MISSING_WEEKS, manifest.weeks):
        await connection.execute(_CREATE_WEEK.format(**week))
    for table in manifest.tables:
        await _restore_table(connection, table, frames, lambda rows: on_rows(rows, manifest.rows))
    for name, value in manifest.sequences.items():
        await connection.execute("select setval($1::text::regclass, $2)", name, value)
    if next(frames, None) != b"" or next(frames, None) is not None:
        raise BackupFileError("has more than its manifest says")
    for schema in SCHEMAS:
        await migrate(connection, schema, locate_migrations(schema))


async def _restore_table(
    connection: asyncpg.Connection, table: SavedTable, frames: Iterator[bytes], on_rows: Callable[[int], None]
) -> None:
    expected: list[TableSum] = []

    async def read_rows() -> AsyncIterator[bytes]:
        digest, rows, size = hashlib.sha256(), 0, 0
        for frame in frames:
            if not frame.startswith(b"\0"):
                expected.append(TableSum(rows=rows, size=size, sha256=digest.hexdigest()))
                expected.append(msgspec.json.decode(frame, type=TableSum))
                return
            data = zlib.decompress(frame[1:])
            digest.update(data)
            rows += (new := data.count(b"\n"))
            size += len(data)
            on_rows(new)
            yield data

    status = await connection.copy_to_table(
        table.name, schema_name=table.schema, columns=table.columns, source=read_rows()
    )
    found, said = expected
    if found != said or status != f"COPY {table.rows}" or said.rows != table.rows:
        raise BackupFileError(f"has other rows of {table.schema}.{table.name} than it says")
