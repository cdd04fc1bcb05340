"""One claim on its way: the last checks, the request, and what came of it."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime

import structlog

from services.dispatcher.domain.answers import (
    Accepted,
    Answer,
    Expired,
    NoAnswer,
    NotSent,
    Refused,
    record_of,
)
from services.dispatcher.domain.errors import Remedy, rule_for
from services.dispatcher.handlers.recorder import Recorder
from services.dispatcher.ports import Claim, Graph, Ledger, Limiter, Meter
from shared.outcome import DependencyAway

CLAIM_SECONDS = 1.0
SLOW_DOWN_SECONDS = 0.25
LOOK_SECONDS = 0.25

_log = structlog.get_logger()


class Sender:
    """Sends claims, up to `most` in flight at once; an answer may take `timeout` seconds.

    `stopping` makes what has not left yet go back to the ledger at once, for another replica.
    """

    def __init__(
        self,
        *,
        graph: Graph,
        ledger: Ledger,
        limiter: Limiter,
        recorder: Recorder,
        meter: Meter,
        clock: Callable[[], datetime],
        most: int,
        timeout: float,
    ) -> None:
        self._graph = graph
        self._ledger = ledger
        self._limiter = limiter
        self._recorder = recorder
        self._meter = meter
        self._clock = clock
        self._most = most
        self._timeout = timeout
        self._in_flight: dict[asyncio.Task[None], float] = {}
        self.stopping = False

    @property
    def full(self) -> bool:
        """Whether as many are in flight as may be."""
        return len(self._in_flight) >= self._most

    def slowest_connect(self) -> float:
        """By how many seconds a message may have left later than it was started, since the last question."""
        return self._graph.slowest_connect()

    def start(self, claim: Claim) -> None:
        """Send it, or record why not; returns at once."""
        task = asyncio.create_task(self._send(claim))
        self._in_flight[task] = asyncio.get_running_loop().time()
        task.add_done_callback(self._in_flight.pop)

    async def give_up_late(self) -> None:
        """Count as not answered what has taken longer than an answer may, for ever.

        One look at all of them costs less than a timer for each.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            started_before = asyncio.get_running_loop().time() - self._timeout
            for task in [task for task, started in self._in_flight.items() if started < started_before]:
                task.cancel()

    async def drained(self, seconds: float) -> None:
        """Wait for everything in flight; after `seconds` what is left counts as not answered."""
        if self._in_flight:
            _, late = await asyncio.wait(list(self._in_flight), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late)

    def give_back(self, claim: Claim, reason: str) -> None:
        """Record that a claim was not sent: it waits for the next free slot, here or elsewhere."""
        self._finish(claim, NotSent(reason), 0.0)

    async def _send(self, claim: Claim) -> None:
        started = asyncio.get_running_loop().time()
        answer = self._refusal(claim, started) or await self._asked(claim)
        self._finish(claim, answer, asyncio.get_running_loop().time() - started)
        await self._heed(claim, answer)

    async def _asked(self, claim: Claim) -> Answer:
        try:
            return await self._graph.send(claim)
        except asyncio.CancelledError:
            return NoAnswer("given up")  # the request may have been written

    def _refusal(self, claim: Claim, now: float) -> Answer | None:
        """Why not to send after all: a "Stop" may have been committed since a claim that is not fresh."""
        if self.stopping:
            return NotSent("stopping")
        if now - claim.claimed_at > CLAIM_SECONDS:
            return NotSent("claim too old")
        return Expired() if self._clock() >= claim.expires_at else None

    def _finish(self, claim: Claim, answer: Answer, seconds: float) -> None:
        key = self._graph.message_key(answer.message_id) if isinstance(answer, Accepted) else None
        now = self._clock()
        jitter = random.random()  # noqa: S311 - spreads retries
        record = record_of(claim.delivery, answer, attempt=claim.attempt, now=now, jitter=jitter, key=key)
        self._meter.sent(claim, answer, seconds, now)
        self._recorder.add(record, claim.origin)

    async def _heed(self, claim: Claim, answer: Answer) -> None:
        """What an answer means for the messages after it."""
        try:
            if isinstance(answer, Refused):
                await self._heed_refusal(claim, answer)
            elif isinstance(answer, Accepted) and self._limiter.held:
                await self._limiter.release()
        except DependencyAway:
            return  # without the database there is no next lease either

    async def _heed_refusal(self, claim: Claim, answer: Refused) -> None:
        rule = rule_for(answer.code, answer.http_status)
        reason = f"{rule.meaning} (Meta's code {answer.code})"
        match rule.remedy:
            case Remedy.SLOWER:
                await self._limiter.slow_down(answer.retry_after or SLOW_DOWN_SECONDS)
            case Remedy.SENDER:
                _log.error("sender_held", reason=reason)
                await self._limiter.hold(reason)
            case Remedy.TEMPLATE if "template" in claim.content:
                _log.error("template_held", template=claim.content["template"]["name"], reason=reason)
                await self._ledger.hold_template(claim.content["template"]["name"], reason)
