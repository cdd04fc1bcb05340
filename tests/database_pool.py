"""Databases that tests share one after the other: a new one is 650 files, for which a disk needs most of a second."""

import io
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from tests.databases import FreshDatabase, copy_database, drop_database
from tests.servers import Servers, build_database_url, connect_to_database, wait_for

# Permitted growth beyond an empty database; larger leftovers of a test could influence later ones.
MAX_GROWTH_BYTES = 2 * 1024 * 1024

# A change of a schema, a right, a setting or a planner's statistic leaves more rows or a later transaction there.
_CATALOGS = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_trigger", "pg_proc", "pg_namespace"),
    *("pg_type", "pg_inherits", "pg_rewrite", "pg_default_acl", "pg_description", "pg_extension", "pg_event_trigger"),
    *("pg_policy", "pg_largeobject_metadata", "pg_statistic where starelid >= 16384"),
    "pg_db_role_setting join pg_database on setdatabase = oid where datname = current_database()",
)
_DIGEST = "select concat_ws(' ', {})".format(
    ", ".join(
        f"(select count(*) || '/' || max({catalog.split()[0]}.xmin::text::bigint) from {catalog})"  # noqa: S608
        for catalog in _CATALOGS
    )
)
_TABLES = """select relnamespace::regnamespace::text, relname from pg_class
    where relnamespace >= 16384 and relkind = 'r'"""
_SEQUENCES = """select format('select setval(%L, %s, %L)', format('%I.%I', schemaname, sequencename),
    coalesce(last_value, start_value), last_value is not null) from pg_sequences"""
_TERMINATE = """select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()"""


@dataclass(frozen=True, kw_only=True)
class EmptyState:
    """Schema, size and rows of a database right after its migrations."""

    digest: str
    size: int
    clearing: str
    rows: Sequence[tuple[str, str, bytes]]

    @classmethod
    async def read(cls, connection: asyncpg.Connection) -> "EmptyState":
        tables = await connection.fetch(_TABLES)
        clearing = ["set session_replication_role = replica"]  # no trigger, and no order of foreign keys
        clearing += [f'delete from {schema}."{name}"' for schema, name in tables]  # noqa: S608 - names of our own
        clearing += [statement for (statement,) in await connection.fetch(_SEQUENCES)]
        rows = []
        for schema, name in tables:
            await connection.copy_from_table(name, schema_name=schema, output=(copy := io.BytesIO()))
            rows += [(schema, name, copy.getvalue())] if copy.tell() else []
        digest, size = await connection.fetchval(_DIGEST), await _read_size(connection)
        return cls(digest=digest, size=size, clearing=";".join(clearing), rows=rows)

    async def restore(self, connection: asyncpg.Connection) -> bool:
        """Empty a database; return False if it was changed in other ways, or has grown."""
        await connection.execute(_TERMINATE)
        if await connection.fetchval(_DIGEST) != self.digest:
            return False
        if await _read_size(connection) > self.size + MAX_GROWTH_BYTES:
            return False
        async with connection.transaction():
            await connection.execute(self.clearing)
            for schema, name, copy in self.rows:
                await connection.copy_to_table(name, schema_name=schema, source=io.BytesIO(copy))
        return True


async def _read_size(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("select pg_database_size(current_database())"))


class DatabasePool:
    """Pool of databases with all migrations and no other rows; each loan has a name that no other test has seen."""

    def __init__(self, servers: Servers, template: str, empty: EmptyState, maintenance: asyncpg.Connection) -> None:
        self._servers, self._template, self._empty, self._maintenance = servers, template, empty, maintenance
        self._free: list[FreshDatabase] = []

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[FreshDatabase]:
        database = self._free.pop() if self._free else await copy_database(self._servers, self._template)
        try:
            yield database
        finally:
            if await self._clear(database):
                self._free.append(await self._rename(database))
            else:
                await drop_database(self._servers, database)

    async def _clear(self, database: FreshDatabase) -> bool:
        try:
            connection = await asyncpg.connect(database.url)
        except asyncpg.ObjectNotInPrerequisiteStateError:  # accepts no connections, as a failed test left it
            return False
        try:
            return await self._empty.restore(connection)
        finally:
            await connection.close()

    async def _rename(self, database: FreshDatabase) -> FreshDatabase:
        """Rename the database, so that leftovers of a test cannot find it."""

        async def is_idle() -> bool:
            query = "select count(*) from pg_stat_activity where datname = $1"
            return not await self._maintenance.fetchval(query, database.name)

        await wait_for(is_idle)
        name = f"test_{secrets.token_hex(6)}"
        await self._maintenance.execute(f"ALTER DATABASE {database.name} RENAME TO {name}")
        return FreshDatabase(name=name, url=build_database_url(self._servers.database_url, name))

    async def drop_all(self) -> None:
        while self._free:
            await drop_database(self._servers, self._free.pop())


@asynccontextmanager
async def create_pool(servers: Servers, template: str) -> AsyncIterator[DatabasePool]:
    """Yield a pool of copies of a template, which must have no connections; drop them at the end."""
    async with connect_to_database(build_database_url(servers.database_url, template)) as connection:
        empty = await EmptyState.read(connection)
    async with connect_to_database(servers.database_url) as maintenance:
        pool = DatabasePool(servers, template, empty, maintenance)
        yield pool
        await pool.drop_all()
