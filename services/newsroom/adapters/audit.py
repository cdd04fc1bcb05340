"""Audit log in PostgreSQL; the role may only add and read entries."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from services.newsroom.domain.audit import Act, AuditEntry
from shared.database.pool import Connection, Database

_INSERT = "insert into newsroom.audit (account, action, object, detail) values ($1, $2, $3, $4::jsonb)"
_LIST = """
select e.id, e.at, e.account, a.name, e.action, e.object, e.detail
from newsroom.audit e left join newsroom.account a on a.id = e.account
where e.id < coalesce($1, 9223372036854775807) order by e.id desc limit $2
"""
_DRAFTS = """
select d.id, v.content ->> 'headline' as headline
from newsroom.draft d join newsroom.draft_version v on v.draft = d.id and v.version = d.version where d.id = any($1)
"""
_BROADCASTS = "select id, coalesce(headline, notice) as headline from newsroom.broadcast where id = any($1)"


def encode_json(value: object) -> str:
    """Encode a value as JSON text for PostgreSQL."""
    return msgspec.json.encode(value).decode()


async def record_act(connection: Connection, act: Act) -> None:
    """Add an entry in the transaction of the act."""
    await connection.execute(_INSERT, act.account, act.action, act.object, encode_json(act.detail))


class PostgresAuditLog:
    """Reader of the audit log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_entries(self, before: int | None, limit: int) -> Sequence[AuditEntry]:
        """Return the newest entries, or those before the entry with the id `before`."""
        rows = await self._database.fetch(_LIST, before, limit)
        return [AuditEntry(**{**row, "detail": msgspec.json.decode(row["detail"])}) for row in rows]

    async def find_drafts(self, identifiers: Iterable[UUID]) -> Mapping[UUID, str | None]:
        """Return the headline of each draft, None without."""
        return {row["id"]: row["headline"] for row in await self._database.fetch(_DRAFTS, list(identifiers))}

    async def find_broadcasts(self, identifiers: Iterable[UUID]) -> Mapping[UUID, str | None]:
        """Return the headline of each known broadcast, None without."""
        return {row["id"]: row["headline"] for row in await self._database.fetch(_BROADCASTS, list(identifiers))}
