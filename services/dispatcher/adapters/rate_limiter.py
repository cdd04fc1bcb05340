"""Rate, limits and pauses in PostgreSQL, with one row for each phone number; and Meta's reports about our account."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from services.dispatcher.adapters.ledger import PAUSE_TEMPLATE, RESUME_TEMPLATE
from services.dispatcher.domain.account import AccountReport, AccountUpdate
from services.dispatcher.domain.pacing import PROBE_DELAY_SECONDS, LateUse, Lease, ServerClock
from shared.database.pool import Database

THROTTLE_FACTOR = 0.8
CLOCK_COMPARISONS = 8

_SET_UP = "call dispatcher.set_up($1, $2, $3, $4)"
_RESERVE = """
select slots, planned, shift, paused_reason, spacing_seconds, rate_per_second, clock from dispatcher.reserve($1, $2)
"""
_IS_PAUSED = "select paused_reason is not null from dispatcher.rate where number = $1"
_PAUSE = "select dispatcher.pause_by_meta($1, $2, $3)"
_RESUME = "select dispatcher.resume_by_meta($1)"

# A time far ahead would hide later reports until then; one slightly ahead is stored as it is, to recognise repetitions.
_RECORD_IF_NEWER = """
insert into dispatcher.account_update as n (subject, said_at, word)
values ($1, case when $2 > clock_timestamp() + interval '1 hour' then clock_timestamp() else $2 end, $3)
on conflict (subject) do update set said_at = excluded.said_at, word = excluded.word
where n.said_at < excluded.said_at or n.said_at = excluded.said_at and n.word <> excluded.word
returning true
"""
_SET_LIMIT = "select dispatcher.limit_by_meta($1, $2)"


@dataclass
class PostgresRateLimiter:
    """Shared rate limiter; its row (throttled rate, tier changed by Meta, pause) outlives the process.

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
                server_time = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
                self._clock.observe(server_time=server_time, received_at=asyncio.get_running_loop().time())

    async def keep_limits(self) -> None:
        """Set our limits of people and messages again if a replica without them has started since."""
        limits = (self.people_a_day, self.messages_a_month)
        await self.database.fetchval("call dispatcher.keep_limits($1, $2, $3)", self.number, *limits)

    async def reserve(self, slots: int) -> Lease:
        """Reserve slots for this replica only; while sending is paused, none or one for a probe.

        Raises DependencyUnavailable: then nothing is sent.
        """
        row = await self.database.fetchrow(_RESERVE, self.number, slots)
        granted, planned, shift, paused_reason, spacing, self.rate, server_time = row
        self._clock.observe(server_time=server_time, received_at=asyncio.get_running_loop().time())
        start = self._clock.convert_to_local(planned + shift)
        return Lease(start, spacing, granted, planned, shift, paused_reason)

    async def ask_if_paused(self) -> bool:
        return bool(await self.database.fetchval(_IS_PAUSED, self.number))

    def read_clock(self) -> datetime:
        """Return the time by the database's clock, since that of our machine may be wrong."""
        return datetime.fromtimestamp(self._clock.convert_to_server(time.monotonic()), UTC)

    async def report_late_use(self, use: LateUse) -> None:
        """Report late use, so that the slots one second later are shifted for all replicas."""
        statement = "select dispatcher.report_late_use($1, $2, $3, $4)"
        await self.database.fetchval(statement, self.number, use.start, use.end, use.late)

    async def throttle(self, seconds: float) -> bool:
        """Make all replicas wait for `seconds` and then send more slowly; return whether no other had just done so."""
        statement = "select dispatcher.throttle($1, $2, $3)"
        return bool(await self.database.fetchval(statement, self.number, THROTTLE_FACTOR, seconds))

    async def pause(self, reason: str, seconds: float) -> bool:
        """Pause sending until a probe is accepted or an operator resumes; return whether it was not paused before.

        The first probe is sent after `seconds`, the next ones every 30 s.
        """
        return bool(await self.database.fetchval(_PAUSE, self.number, reason, seconds))

    async def resume(self) -> bool:
        """Resume sending, unless an operator paused it; return whether that ended a pause."""
        return bool(await self.database.fetchval(_RESUME, self.number))


@dataclass(frozen=True)
class PostgresAccount:
    """Meta's reports about our account. Meta repeats webhooks and does not keep their order.

    For each subject only the newest report counts, and each report once, so that a repetition does not undo an
    operator's resume.
    """

    database: Database
    number: str

    async def apply(self, change: AccountReport, at: datetime) -> bool | None:
        """Apply a change; return whether it lowered a limit, or None if it or a newer one was already applied.

        Raises DependencyUnavailable.
        """
        async with self.database.transaction() as connection:
            if not await connection.fetchval(_RECORD_IF_NEWER, change.subject, at, change.word):
                return None
            match change.update:
                case AccountUpdate.TEMPLATE_PAUSED:
                    await connection.execute(PAUSE_TEMPLATE, change.template, change.word)
                case AccountUpdate.TEMPLATE_RESUMED:
                    await connection.execute(RESUME_TEMPLATE, change.template)
                case AccountUpdate.LIMIT:
                    return bool(await connection.fetchval(_SET_LIMIT, self.number, change.limit))
                case AccountUpdate.SENDING_PAUSED:
                    await connection.execute(_PAUSE, self.number, change.word, PROBE_DELAY_SECONDS)
                case AccountUpdate.SENDING_RESUMED:
                    await connection.execute(_RESUME, self.number)
                case _:
                    pass  # only recorded
        return False
