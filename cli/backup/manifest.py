"""The first frame of a backup: when and by what it was made, and what it contains."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any

import asyncpg
from msgspec import Struct

from cli.migrate.database import SCHEMAS, locate_migrations
from deploy import VERSION
from shared.database.migrations import read_migrations

# A table's partitions come with it; what has been migrated is in the manifest.
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


class IncompatibleBackupError(Exception):
    """The backup cannot be restored by this version; the text says why and what to do."""


class SavedTable(Struct, frozen=True, kw_only=True):
    """A table in the order of the file: what others refer to comes before them."""

    schema: str
    name: str
    columns: tuple[str, ...]
    rows: int

    @property
    def query(self) -> str:
        return f"select {', '.join(self.columns)} from {self.schema}.{self.name}"  # noqa: S608 - our own names


class TableSum(Struct, frozen=True, kw_only=True):
    """Rows that were written of a table."""

    rows: int
    size: int
    sha256: str


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


async def read_manifest(connection: asyncpg.Connection) -> Manifest:
    """Read the manifest in the snapshot of a transaction."""
    saved_at = await connection.fetchval("select transaction_timestamp()")
    return Manifest(
        saved_at=saved_at,
        version=VERSION,
        server_version=int(await connection.fetchval("show server_version_num")),
        migrations={
            schema: _build_mapping(await connection.fetch(_MIGRATED.format(schema=schema))) for schema in SCHEMAS
        },
        weeks=tuple(row[0] for row in await connection.fetch(_WEEKS)),
        sequences=_build_mapping(await connection.fetch(_SEQUENCES, SCHEMAS)),
        tables=tuple([await _count_rows(connection, row) for row in _sort(await connection.fetch(_TABLES, SCHEMAS))]),
    )


def _build_mapping(rows: Sequence[asyncpg.Record]) -> dict[str, Any]:
    return {row[0]: row[1] for row in rows}


def _sort(tables: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """Put each table behind those that it refers to."""
    by_oid = {row["oid"]: row for row in tables}
    order = TopologicalSorter({oid: set(row["referred"]) - {oid} for oid, row in by_oid.items()})
    return [by_oid[oid] for oid in order.static_order()]


async def _count_rows(connection: asyncpg.Connection, row: asyncpg.Record) -> SavedTable:
    table = SavedTable(schema=row["nspname"], name=row["relname"], columns=tuple(row["columns"]), rows=0)
    rows = await connection.fetchval(f"select count(*) from {table.schema}.{table.name}")  # noqa: S608 - as above
    return SavedTable(schema=table.schema, name=table.name, columns=table.columns, rows=rows)


def check_migrations(manifest: Manifest) -> None:
    """Raise IncompatibleBackupError unless this version has exactly the migrations that had run, or more."""
    for schema, done in manifest.migrations.items():
        ours = {each.version: each.checksum for each in read_migrations(locate_migrations(schema))}
        wrong = sorted(version for version, checksum in done.items() if ours.get(version) != checksum)
        if wrong:
            raise IncompatibleBackupError(
                f"The backup is of version {manifest.version}; this is {VERSION}, which does not know migration"
                f" {wrong[0]} of {schema} as it was. Restore with the version that made the backup, then update."
            )
