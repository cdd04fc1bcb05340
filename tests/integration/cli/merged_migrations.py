"""Databases that got the same schemas by the files that have been merged since."""

import asyncpg

from cli.migrate.database import SCHEMAS, locate_migrations
from shared.database.migrations import read_migrations

_APPLIED = "select version, checksum from {schema}.schema_checksums"
_MARK_PENDING = (
    "delete from {schema}.schema_checksums where version = $1",
    "delete from {schema}.schema_migrations where version = $1",
)
_RECORD = """
with one as (insert into {schema}.schema_migrations values ($1) returning version)
insert into {schema}.schema_checksums select version, 'of a file that is gone' from one
"""


async def read_applied(owner: asyncpg.Connection, schema: str) -> dict[str, str]:
    """Return checksums by version."""
    return {row["version"]: row["checksum"] for row in await owner.fetch(_APPLIED.format(schema=schema))}


async def mark_pending(owner: asyncpg.Connection, schema: str, version: str) -> None:
    """Let a migration be one that has not run."""
    for statement in _MARK_PENDING:
        await owner.execute(statement.format(schema=schema), version)


async def replay_chain(owner: asyncpg.Connection) -> None:
    """Let the database be one that ran what the merged migrations replace, not these."""
    for schema in SCHEMAS:
        for merged in (each for each in read_migrations(locate_migrations(schema)) if each.replaces):
            await mark_pending(owner, schema, merged.version)
            for version in merged.replaces:
                await owner.execute(_RECORD.format(schema=schema), version)
