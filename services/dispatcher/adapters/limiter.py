"""The shared rate in PostgreSQL: one row for each sending number."""

import asyncio

from services.dispatcher.domain.pacing import Lease
from shared.database.pool import Database

_SET_UP = """
insert into dispatcher.rate as r (number, per_second, ceiling) values ($1, $2, $2)
on conflict (number) do update set ceiling = excluded.ceiling, per_second = least(r.per_second, excluded.ceiling)
"""


class PostgresLimiter:
    """`rate` is in messages per second; the row survives us, and so does a rate that Meta made us lower."""

    def __init__(self, database: Database, *, number: str, rate: float) -> None:
        self._database = database
        self._number = number
        self.rate = rate

    async def set_up(self) -> None:
        """Make the row, or give it our ceiling."""
        async with self._database.transaction() as connection:
            await connection.execute(_SET_UP, self._number, self.rate)

    async def reserve(self, slots: int) -> Lease:
        """Slots that nobody else has. Raises DependencyAway: then nothing may be sent."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow("select * from dispatcher.reserve($1, $2)", self._number, slots)
        assert row is not None  # noqa: S101 - set_up made the row, and nobody may delete it
        self.rate = row["rate_per_second"]
        # Counted from the arrival of the answer: late by the way back, never early.
        start = asyncio.get_running_loop().time() + max(0.0, row["wait_seconds"])
        return Lease(start=start, spacing=row["spacing_seconds"], slots=slots)

    async def slow_down(self, seconds: float) -> None:
        """Meta said "too fast": all replicas pause for `seconds` and go on more slowly."""
        await self._push_back(0.7, seconds, "throughput")

    async def pause(self, seconds: float, reason: str) -> None:
        """All replicas pause; the rate stays."""
        await self._push_back(1.0, seconds, reason)

    async def _push_back(self, factor: float, seconds: float, reason: str) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                "select dispatcher.slow_down($1, $2, $3, $4)", self._number, factor, seconds, reason
            )
