"""Shared rate limiter in PostgreSQL, with one row for each phone number."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from services.dispatcher.domain.pacing import LateUse, Lease, ServerClock
from shared.database.pool import Database

THROTTLE_FACTOR = 0.8
CLOCK_COMPARISONS = 8

_SET_UP = "call dispatcher.set_up($1, $2, $3, $4)"
_RESERVE = """
select slots, planned, shift, paused_reason, spacing_seconds, rate_per_second, clock from dispatcher.reserve($1, $2)
"""
PAUSE = "select dispatcher.pause_by_meta($1, $2, $3)"
RESUME = "select dispatcher.resume_by_meta($1)"


@dataclass
class PostgresRateLimiter:
    """Shared rate limiter; its row, with a throttled rate, a tier changed by Meta and a pause, outlives the process.

    Limits: `limit` messages per second; people in any 24 hours (Meta's tier) and messages a month, None for no limit.
    """

    database: Database
    number: str
    limit: float
    people_a_day: int | None = None
    messages_a_month: int | None = None

    def __post_init__(self) -> None:
        self.rate, self._clock = self.limit, ServerClock()

    async def set_up(self) -> None:
        """Create or update the row with our limits, and compare the clocks."""
        async with self.database.connection() as connection:
            await connection.execute(_SET_UP, self.number, self.limit, self.people_a_day, self.messages_a_month)
            for _ in range(CLOCK_COMPARISONS):
                read = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
                self._clock.observe(read=read, arrived=asyncio.get_running_loop().time())

    async def keep_limits(self) -> None:
        """Set our limits of people and messages again if a replica without them has started since."""
        more = (self.people_a_day, self.messages_a_month)
        await self.database.fetchval("call dispatcher.keep_limits($1, $2, $3)", self.number, *more)

    async def reserve(self, slots: int) -> Lease:
        """Reserve slots for this replica only; while sending is paused, none or one for a probe.

        Raises DependencyUnavailable: then nothing is sent.
        """
        got, planned, shift, held, spacing, self.rate, read = await self.database.fetchrow(_RESERVE, self.number, slots)
        self._clock.observe(read=read, arrived=asyncio.get_running_loop().time())
        start = self._clock.convert_to_local(planned + shift)
        return Lease(start=start, spacing=spacing, slots=got, planned=planned, shift=shift, paused_reason=held)

    def read_clock(self) -> datetime:
        """Return the time by the database's clock: that of our machine may be wrong."""
        return datetime.fromtimestamp(self._clock.convert_to_server(time.monotonic()), UTC)

    async def report_late_use(self, use: LateUse) -> None:
        """Report late use, so that the slots one second later are shifted for all replicas."""
        statement = "select dispatcher.report_late_use($1, $2, $3, $4)"
        await self.database.fetchval(statement, self.number, use.starts, use.ends, use.late)

    async def throttle(self, seconds: float) -> bool:
        """Make all replicas wait for `seconds` and then send more slowly; return whether no other had just done so."""
        statement = "select dispatcher.throttle($1, $2, $3)"
        return bool(await self.database.fetchval(statement, self.number, THROTTLE_FACTOR, seconds))

    async def pause(self, reason: str, seconds: float) -> bool:
        """Pause sending until a probe is accepted or an operator resumes; return whether it was not paused before.

        The first probe is sent after `seconds`, the next ones every 30 s.
        """
        return bool(await self.database.fetchval(PAUSE, self.number, reason, seconds))

    async def resume(self) -> bool:
        """Resume sending, unless an operator paused it; return whether that ended a pause."""
        return bool(await self.database.fetchval(RESUME, self.number))
