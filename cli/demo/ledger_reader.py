"""Our side of the reconciliation: both schemas, read with a role that cannot read addresses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from cli.demo.figures import LedgerRow
from shared.database.pool import connect

_REPLIES_DUE = """
select count(*) from subscriptions.inbox where result in (
    'started', 'renewed', 'changed', 'topics_removed', 'ended', 'erased', 'informed', 'shown', 'feedback',
    'emergency', 'hinted')
"""
_UNSETTLED = """
select count(*) from dispatcher.delivery where state in ('waiting', 'claimed', 'unknown', 'accepted', 'sent')
"""


@dataclass(frozen=True)
class LedgerReader:
    """Queries on the schemas of subscriptions and dispatcher."""

    connection: asyncpg.Connection

    async def count_subscribed(self) -> int:
        return await self._count("select count(*) from subscriptions.subscriber where state = 'subscribed'")

    async def count_replies_due(self) -> int:
        return await self._count(_REPLIES_DUE)

    async def count_handled(self) -> int:
        return await self._count("select count(*) from subscriptions.inbox")

    async def count_unsettled(self) -> int:
        """Count deliveries whose final status is still to come."""
        return await self._count(_UNSETTLED)

    async def count_rows(self, broadcast: UUID) -> int:
        return await self._count("select count(*) from dispatcher.delivery where source = $1", broadcast)

    async def read_audience(self, broadcast: UUID) -> int | None:
        """Return the number of recipients of a broadcast, or None until its expansion has finished."""
        statement = "select audience from subscriptions.broadcast where id = $1 and read_to_end"
        audience: int | None = await self.connection.fetchval(statement, broadcast)
        return audience

    async def read_ledger(self) -> list[LedgerRow]:
        rows = await self.connection.fetch("select id, source, subscriber, state::text from dispatcher.delivery")
        return [
            LedgerRow(str(row["id"]), str(row["source"]) if row["subscriber"] else None, row["state"]) for row in rows
        ]

    async def _count(self, statement: str, *arguments: object) -> int:
        return int(await self.connection.fetchval(statement, *arguments))


@asynccontextmanager
async def open_ledger_reader(url: str) -> AsyncIterator[LedgerReader]:
    connection = await connect(url, timeout=10)
    try:
        yield LedgerReader(connection)
    finally:
        await connection.close()
