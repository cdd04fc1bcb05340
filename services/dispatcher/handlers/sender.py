"""One claim on its way: the last checks, the request, and what came of it."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from services.dispatcher.domain.account import template_key
from services.dispatcher.domain.answers import (
    Accepted,
    Answer,
    ConnectedLate,
    Expired,
    NoAnswer,
    NotSent,
    Record,
    Refused,
    Unreachable,
    record_of,
)
from services.dispatcher.domain.errors import MAX_RETRY_SECONDS, Remedy, rule_for
from services.dispatcher.domain.pacing import MAX_CLAIM_SECONDS
from services.dispatcher.domain.reachability import KEY_REASON, Reachability
from services.dispatcher.handlers.recorder import Recorder
from services.dispatcher.ports import Claim, Graph, Ledger, Limiter, Meter
from shared.outcome import DependencyAway

SLOW_DOWN_SECONDS = 0.25
PROBE_DELAY_SECONDS = 30.0
# When Meta asks us to wait for longer, the sender is held.
LONG_RETRY_SECONDS = 5.0
CHECK_INTERVAL_SECONDS = 0.25
PROBE_TRIES = 3

_log = structlog.get_logger()


class Sender:
    """Sends claims, up to `max_requests` in flight at once; an answer may take `timeout` seconds.

    `put_back` takes a claim whose connection was ready too late for its slot, `room_again` is called when a request
    less than `max_requests` is in flight. `stopping` makes what has not left yet go back to the ledger at once.
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
        max_requests: int,
        timeout: float,
        put_back: Callable[[Claim], None],
        room_again: Callable[[], None],
    ) -> None:
        self._graph = graph
        self._ledger = ledger
        self._limiter = limiter
        self._recorder = recorder
        self._meter = meter
        self._clock = clock
        self._max_requests = max_requests
        self._timeout = timeout
        self._put_back = put_back
        self._room_again = room_again
        self._in_flight: dict[asyncio.Task[None], float] = {}
        self.reachability = Reachability()
        self.stopping = False

    @property
    def room(self) -> int:
        """How many more requests may be in flight."""
        return self._max_requests - len(self._in_flight)

    def rest_seconds(self) -> float:
        """Return how long this replica sends nothing, as what answers is not Meta."""
        return self.reachability.rest_seconds(asyncio.get_running_loop().time())

    def unreachable_seconds(self) -> float:
        """Return for how long what answers has not been Meta; 0 if it is."""
        reachability = self.reachability
        return 0.0 if reachability.reason is None else asyncio.get_running_loop().time() - reachability.since

    async def can_decrypt(self) -> bool:
        """For readiness: whether the addresses in the ledger are encrypted with a key that we have."""
        return self.reachability.reason != KEY_REASON

    def distrust_keys(self) -> None:
        """Begin with single messages that have to prove that their addresses can be decrypted."""
        while not self.reachability.observe(Unreachable(KEY_REASON), asyncio.get_running_loop().time()):
            pass
        self._log_reachability()

    def start(self, claim: Claim) -> None:
        """Send it, or record why not; returns at once."""
        self._track(asyncio.create_task(self._send(claim)))

    async def probe(self, claim: Claim) -> None:
        """Send it to see whether the cause of a hold is gone, and wait for the answer."""
        task = asyncio.create_task(self._send(claim, probe=True))
        self._track(task)
        await asyncio.wait([task])

    def _track(self, task: asyncio.Task[None]) -> None:
        self._in_flight[task] = asyncio.get_running_loop().time()
        task.add_done_callback(self._untrack)

    def _untrack(self, task: asyncio.Task[None]) -> None:
        was_full = self.room <= 0
        del self._in_flight[task]
        if was_full:
            self._room_again()
        if not task.cancelled() and (error := task.exception()):
            _log.error("send_failed", exc_info=error)

    async def give_up_late(self) -> None:
        """Count as not answered what has taken longer than an answer may, for ever.

        One look at all of them costs less than a timer for each.
        """
        while True:
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)
            started_before = asyncio.get_running_loop().time() - self._timeout
            for task in [task for task, started in self._in_flight.items() if started < started_before]:
                task.cancel()

    async def drained(self, seconds: float) -> None:
        """Wait for everything in flight; after `seconds` what is left counts as not answered."""
        if self._in_flight:
            _, late = await asyncio.wait(list(self._in_flight), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def is_fresh(self, claim: Claim) -> bool:
        """Whether no "Stop" can have been committed so long before that it has to be heeded."""
        return claim.claimed_at.age() <= MAX_CLAIM_SECONDS

    def give_back(self, claim: Claim, reason: str) -> None:
        """Record that a claim was not sent: it waits for the next free slot, here or elsewhere."""
        self._finish(claim, NotSent(reason), 0.0)

    async def _send(self, claim: Claim, *, probe: bool = False) -> None:
        started = asyncio.get_running_loop().time()
        answer = await self._request(claim, PROBE_TRIES if probe else 1)
        if isinstance(answer, ConnectedLate):
            self._meter.count("lost_slots", label="connecting")
            self._put_back(claim)
            return
        now = asyncio.get_running_loop().time()
        self._finish(claim, answer, now - started)
        if self.reachability.observe(answer, now):
            self._log_reachability()
        try:
            await self._apply(claim, answer, probe=probe)
        except DependencyAway:
            return  # without the database there is no next lease either

    async def _request(self, claim: Claim, tries: int) -> Answer:
        """Return the answer; ConnectedLate only if the message may still leave on the connection that is open now."""
        answer: Answer = ConnectedLate()
        try:
            while isinstance(answer, ConnectedLate) and tries:
                answer = await self._graph.send(claim, lambda: self._may_leave(claim))
                tries -= 1
        except asyncio.CancelledError:
            return NoAnswer("given up")  # the request may have been written
        if isinstance(answer, ConnectedLate) and self._may_leave(claim):
            return answer
        if not isinstance(answer, ConnectedLate | NotSent):
            return answer
        return Expired() if self._clock() >= claim.expires_at else NotSent("stopping or claim too old")

    def _may_leave(self, claim: Claim) -> bool:
        """Whether the message may still be written."""
        return not self.stopping and self.is_fresh(claim) and self._clock() < claim.expires_at

    def _finish(self, claim: Claim, answer: Answer, seconds: float) -> None:
        self._recorder.add(partial(self._record, claim, answer, seconds, self._clock()))

    def _record(self, claim: Claim, answer: Answer, seconds: float, now: datetime) -> Record:
        key = self._graph.message_key(answer.message_id) if isinstance(answer, Accepted) else None
        jitter = random.random()  # noqa: S311 - spreads retries
        self._meter.sent(claim, answer, seconds, now)
        return record_of(
            claim.delivery, answer, claim=claim.number, attempt=claim.attempt, now=now, jitter=jitter, key=key
        )

    def _log_reachability(self) -> None:
        reason = self.reachability.reason
        if reason is None:
            _log.warning("meta_reachable_again")
        else:
            _log.error("meta_not_reachable", reason=reason)

    async def _apply(self, claim: Claim, answer: Answer, *, probe: bool) -> None:
        """Do what an answer means for the messages after it."""
        if isinstance(answer, Refused):
            await self._apply_refusal(claim, answer)
        elif isinstance(answer, Accepted) and probe and await self._limiter.release():
            _log.warning("sender_released", reason="Meta accepted a message")

    async def _apply_refusal(self, claim: Claim, answer: Refused) -> None:
        rule = rule_for(answer.code, answer.http_status)
        wait = min(answer.retry_after or SLOW_DOWN_SECONDS, MAX_RETRY_SECONDS)
        match rule.remedy:
            case Remedy.SLOWER if wait <= LONG_RETRY_SECONDS:
                if await self._limiter.slow_down(wait):
                    _log.warning("slowed_down", code=answer.code, http_status=answer.http_status, seconds=wait)
            case Remedy.SLOWER:
                await self._hold(f"Meta asks us to wait {answer.retry_after:.0f} s (HTTP {answer.http_status})", wait)
            case Remedy.SENDER:
                await self._hold(f"{rule.meaning} (Meta's code {answer.code})", PROBE_DELAY_SECONDS)
            case Remedy.TEMPLATE if "template" in claim.content:
                template = claim.content["template"]
                key = template_key(template["name"], template["language"]["code"])
                reason = f"{rule.meaning} (Meta's code {answer.code})"
                if await self._ledger.hold_template(key, reason):
                    _log.error("template_held", template=key, reason=reason)

    async def _hold(self, reason: str, seconds: float) -> None:
        if await self._limiter.hold(reason, seconds):
            _log.error("sender_held", reason=reason, probe_in_seconds=seconds)
