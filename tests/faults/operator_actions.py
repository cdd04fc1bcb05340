"""Simulated operator who pauses, resumes, cancels, resends and settles, with the operators' database role."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from cli.database import UNAVAILABLE
from cli.settings import OperatorSettings
from shared.database.pool import connect
from simulator.client import FAILED, SimulatorClient

RETRY_DELAY_SECONDS = 0.5
ANSWER_TIMEOUT_SECONDS = 5.0
ROUND_INTERVAL_SECONDS = 12.0
MAX_SETTLED_PER_ROUND = 5
# By then a request without an answer has certainly arrived at Meta or been lost.
MIN_UNKNOWN_AGE_SECONDS = 10.0
# By then Meta has reported the failure of a message, if it failed.
FINAL_SECONDS = 30.0
RUNNING = ("running", "template_paused", "paused")

_FIND = "select id from dispatcher.broadcast where notice = $1"
# As `kreisfunk broadcasts cancel` does it.
_CANCEL = """
select before from subscriptions.cancel_expansion($1, 'Probe') expansion,
    dispatcher.cancel_broadcast($1, 'Probe', expansion is not null) before
"""
_FAILED = """
select distinct d.source from dispatcher.delivery d join dispatcher.broadcast b on b.id = d.source
where d.state = 'failed' and d.error_code = $1 and b.expires_at > clock_timestamp()
"""
_UNKNOWN = """
select id from dispatcher.delivery
where state = 'unknown' and unknown_at < clock_timestamp() - make_interval(secs => $1) order by id limit $2
"""


@dataclass
class OperatorCommand:
    """A command that forbids a broadcast to leave from `since` to `until`, in seconds since 1970."""

    broadcast: str
    since: float
    until: float = float("inf")


@dataclass
class FaultOperator:
    """Simulated operator.

    `commands` are those that forbade a broadcast, `sent_again` counts resent failed deliveries, `settled` has its
    verdicts on unknown ones, based on the simulator's log, as a person would ask Meta's support.
    """

    settings: OperatorSettings
    simulator: SimulatorClient
    say: Callable[[str], None]
    commands: list[OperatorCommand] = field(default_factory=list)
    sent_again: int = 0
    settled: dict[UUID, str] = field(default_factory=dict)
    _seen: int = 0
    _accepted: set[str] = field(default_factory=set)
    _accepted_just_now: set[str] = field(default_factory=set)

    async def pause(self, notice: str, seconds: float) -> None:
        """Pause the broadcast of a notice, and resume it after `seconds`, or when cancelled."""
        broadcast = await self._find_broadcast(notice)
        if broadcast is None:
            return
        # Shielded, as the result has to be known even if the traffic ends before the answer.
        pausing = asyncio.ensure_future(
            self._stop_broadcast("select dispatcher.pause_broadcast($1, 'Probe')", broadcast)
        )
        try:
            if await asyncio.shield(pausing):
                self.say(f"          {notice} is paused")
                await asyncio.sleep(seconds)
        finally:
            if command := await pausing:
                command.until = time.time()
                await self._fetch_value("select dispatcher.resume_broadcast($1)", broadcast)
                self.say(f"          {notice} goes on")

    async def cancel(self, notice: str) -> None:
        broadcast = await self._find_broadcast(notice)
        if broadcast and await self._stop_broadcast(_CANCEL, broadcast):
            self.say(f"          {notice} is cancelled")

    async def run(self, code: int) -> None:
        """Resend what failed with `code` and settle old unknown outcomes, periodically until cancelled."""
        while True:
            await asyncio.sleep(ROUND_INTERVAL_SECONDS)
            await self.resend_failed(code)
            await self._settle()

    async def resend_failed(self, code: int) -> None:
        """Resend all deliveries that failed with this code and whose broadcast has not expired."""
        for (broadcast,) in await self._fetch_rows(_FAILED, code):
            failed = await self._fetch_value("select failed from dispatcher.resend_missing($1, false)", broadcast)
            self.sent_again += failed
            self.say(f"          {failed} that failed go again")

    async def _settle(self) -> None:
        rows = await self._fetch_rows(_UNKNOWN, MIN_UNKNOWN_AGE_SECONDS, MAX_SETTLED_PER_ROUND)
        if not rows:
            return
        await self._read_meta_account()
        for (delivery,) in rows:
            is_accepted = str(delivery) in self._accepted | self._accepted_just_now
            verdict = "accepted" if is_accepted else "resend"
            if await self._fetch_value("select dispatcher.settle_unknown($1, null, $2)", delivery, verdict):
                self.settled[UUID(int=delivery.int)] = verdict

    async def _read_meta_account(self) -> None:
        """Read which messages were accepted and did not fail; those of the last seconds are read again next time."""
        fresh = await self.simulator.fetch_outbound(self._seen)
        final = [message for message in fresh if message.accepted_at < time.time() - FINAL_SECONDS]
        self._seen += len(final)
        self._accepted |= {message.delivery for message in final if message.state != FAILED}
        self._accepted_just_now = {message.delivery for message in fresh[len(final) :] if message.state != FAILED}

    async def _find_broadcast(self, notice: str) -> UUID | None:
        """Return the id of the broadcast, or None if its first batch has not reached the dispatcher yet."""
        broadcast = await self._fetch_value(_FIND, notice)
        return UUID(int=broadcast.int) if broadcast else None

    async def _stop_broadcast(self, statement: str, broadcast: UUID) -> OperatorCommand | None:
        if await self._fetch_value(statement, broadcast) not in RUNNING:
            return None
        self.commands.append(OperatorCommand(str(broadcast), time.time()))
        return self.commands[-1]

    async def _fetch_value(self, statement: str, *arguments: object) -> Any:
        rows = await self._fetch_rows(statement, *arguments)
        return rows[0][0] if rows else None

    async def _fetch_rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Run the statement, retrying until it succeeds: each of these statements may be repeated."""
        while True:
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                    return await self._fetch(statement, *arguments)
            except UNAVAILABLE:
                await asyncio.sleep(RETRY_DELAY_SECONDS)

    async def _fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await connect(self.settings.database_url, password=self.settings.database_secret)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()
