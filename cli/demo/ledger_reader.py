"""Our side of the books, read with a role that may see no address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from cli.demo.figures import LedgerRow

_REPLIES_DUE = """
select count(*) from subscriptions.inbox where result in (
    'started', 'renewed', 'changed', 'left', 'ended', 'erased', 'informed', 'shown', 'feedback', 'emergency',
    'hinted')
"""
_UNSETTLED = """
select count(*) from dispatcher.delivery where state in ('waiting', 'claimed', 'unknown', 'accepted', 'sent')
"""


@dataclass(frozen=True)
class LedgerReader:
    """The two schemas."""

    connection: asyncpg.Connection

    async def count_subscribed(self) -> int:
        """Citizens with a valid opt-in."""
        return await self._count("select count(*) from subscriptions.subscriber where state = 'subscribed'")

    async def count_replies_due(self) -> int:
        """Inbound messages for which an answer was decided."""
        return await self._count(_REPLIES_DUE)

    async def count_handled(self) -> int:
        """Inbound messages that were decided upon."""
        return await self._count("select count(*) from subscriptions.inbox")

    async def count_unsettled(self) -> int:
        """Deliveries of which more news has to come."""
        return await self._count(_UNSETTLED)

    async def count_rows(self, broadcast: UUID) -> int:
        """Deliveries of one broadcast that have a row."""
        return await self._count("select count(*) from dispatcher.delivery where source = $1", broadcast)

    async def read_audience(self, broadcast: UUID) -> int | None:
        """Recipients of one broadcast, once it has been read to the end."""
        statement = "select audience from subscriptions.broadcast where id = $1 and read_to_end"
        audience: int | None = await self.connection.fetchval(statement, broadcast)
        return audience

    async def read_ledger(self) -> list[LedgerRow]:
        """All deliveries."""
        rows = await self.connection.fetch("select id, source, subscriber, state::text from dispatcher.delivery")
        return [
            LedgerRow(str(row["id"]), str(row["source"]) if row["subscriber"] else None, row["state"]) for row in rows
        ]

    async def _count(self, statement: str, *arguments: object) -> int:
        count: int = await self.connection.fetchval(statement, *arguments)
        return count


@asynccontextmanager
async def open_ledger_reader(url: str) -> AsyncIterator[LedgerReader]:
    """A connection of the monitor role."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield LedgerReader(connection)
    finally:
        await connection.close()
