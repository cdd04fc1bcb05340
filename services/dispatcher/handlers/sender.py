"""Sending of one claim: the last checks, the request, and the effects of its result."""

import asyncio
import math
import random
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import takewhile
from time import monotonic
from typing import Any
from uuid import UUID

import structlog

from services.dispatcher.domain import send_results
from services.dispatcher.domain.account import template_key
from services.dispatcher.domain.claims import Claim, Instant
from services.dispatcher.domain.errors import MAX_RETRY_SECONDS, ErrorAction
from services.dispatcher.domain.pacing import MAX_CLAIM_SECONDS
from services.dispatcher.domain.reachability import UNDECRYPTABLE_REASON, Reachability
from services.dispatcher.domain.send_results import Accepted, ConnectedLate, ErrorResponse, NotSent, Refused, SendResult
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.pauses import THROTTLE_SECONDS, Pauses, Rejections, explain_code
from services.dispatcher.handlers.recorder import Recorder
from services.dispatcher.ports import Graph, Meter, RateLimiter
from shared.outcome import DependencyUnavailable
from shared.runtime.clock import read_clocks

# Longer waits demanded by Meta pause sending.
LONG_RETRY_SECONDS = 5.0
CHECK_INTERVAL_SECONDS = 0.25
MAX_PROBE_ATTEMPTS = 3
ANSWER_WEIGHT = 0.1

_log = structlog.get_logger()


@dataclass
class Sender:
    """Sender of claims, with up to `max_requests` in flight; an answer may take `timeout` seconds.

    A claim whose connection was ready too late for its slot is returned to `lanes`, which are woken when a request ends
    while `max_requests` were in flight. `stopping` returns unsent claims to the ledger at once.
    """

    graph: Graph
    lanes: Lanes
    pauses: Pauses
    limiter: RateLimiter
    recorder: Recorder
    meter: Meter
    max_requests: int
    timeout: float
    reachability: Reachability = field(default_factory=Reachability, init=False)
    stopping: bool = field(default=False, init=False)
    _rejections: Rejections = field(default_factory=Rejections, init=False)
    _accepted: set[bool] = field(default_factory=set, init=False)
    _refused: deque[UUID] = field(default_factory=lambda: deque(maxlen=1000), init=False)
    _answer_seconds: float = field(default=1.0, init=False)
    _in_flight: dict[asyncio.Future[Any], float] = field(default_factory=dict, init=False)

    @property
    def free_requests(self) -> int:
        return self.max_requests - len(self._in_flight)

    @property
    def max_rate(self) -> float:
        """Return the messages per second that `max_requests` in flight allow, if answers take as long as recently."""
        return self.max_requests / max(0.001, self._answer_seconds)

    def estimate_room(self, slots: int, planned: int, rate: float) -> int:
        """Return how many of `slots` after `planned` ones will find room, if answers take as long as recently.

        A request that takes longer counts as in flight, so that no slots are planned once Meta stops answering.
        """
        now, answer_seconds = monotonic(), self._answer_seconds
        free = self.free_requests - min(planned, math.ceil(rate * answer_seconds))
        if 0 <= slots <= free:
            return slots
        last_started = now - answer_seconds + (planned + slots) / rate  # whatever started later ends too late to count
        started_early = takewhile(lambda started: started <= last_started, self._in_flight.values())
        ends = [end for started in started_early if (end := started + answer_seconds - now) > 0]
        rooms = (free + bisect_right(ends, (planned + index) / rate) - index for index in range(slots))
        return sum(1 for _ in takewhile(lambda room: room > 0, rooms))

    def measure_unreachable(self) -> float:
        """Return how many seconds Meta has been unreachable; 0 if it answers."""
        return monotonic() - self.reachability.since if self.reachability.reason else 0.0

    async def has_valid_keys(self) -> bool:
        """Return whether we have the key of the addresses in the ledger (a readiness check)."""
        return self.reachability.reason != UNDECRYPTABLE_REASON

    def mark_keys_unverified(self) -> None:
        """Start with probes only, until one proves that the addresses can be decrypted."""
        self.reachability.observe(Refused(UNDECRYPTABLE_REASON, foreign=True), monotonic())
        self._log_reachability()

    def start(self, claim: Claim) -> None:
        """Start sending a claim, or record why it is not sent. A callback for the answer costs less than a task."""
        self._track(self._send(claim), partial(self._handle_answer, claim))

    def _handle_answer(self, claim: Claim, request: asyncio.Future[Any]) -> None:
        started = self._stop_tracking(request)
        answer = self._read(claim, request)
        self._settle(claim, answer, started)
        if isinstance(answer, Accepted) and claim.broadcast:
            self._rejections.restart(claim.broadcast)
        elif isinstance(answer, ErrorResponse):
            self._track(asyncio.ensure_future(self._apply_result(claim, answer, probe=False)), self._stop_tracking)

    async def probe(self, claim: Claim, *, paused: bool) -> None:
        """Send a claim to check whether the cause of a pause is gone, and apply the effects of its answer.

        If connecting takes too long, the claim is sent at once while sending is `paused` for all, else at another slot.
        """
        started = monotonic()
        for _ in range(MAX_PROBE_ATTEMPTS if paused else 1):
            request = self._send(claim)
            self._track(request, self._stop_tracking)
            await asyncio.wait([request])
            answer = self._read(claim, request, probe=True)
            if not isinstance(answer, ConnectedLate):
                break
        self._settle(claim, answer, started)
        await self._apply_result(claim, answer, probe=True)

    def _send(self, claim: Claim) -> asyncio.Future[Any]:
        return self.graph.send(claim, partial(self._may_leave, claim))

    def _track(self, request: asyncio.Future[Any], callback: Callable[[asyncio.Future[Any]], object]) -> None:
        self._in_flight[request] = monotonic()
        request.add_done_callback(callback)

    def _stop_tracking(self, request: asyncio.Future[Any]) -> float:
        """Return the time of its start."""
        was_full = self.free_requests <= 0
        started = self._in_flight.pop(request)
        if was_full:
            self.lanes.wake.set()
        return started

    async def cancel_overdue(self) -> None:
        """Cancel requests that exceed the timeout, forever; one scan over all costs less than a timer for each."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)
            started_before = monotonic() - self.timeout
            for request in [request for request, started in self._in_flight.items() if started < started_before]:
                request.cancel()

    async def drain(self, seconds: float) -> None:
        """Wait for all requests in flight; cancel those pending after `seconds`, which then count as unanswered."""
        deadline = monotonic() + seconds
        while self._in_flight:
            _, pending = await asyncio.wait(self._in_flight, timeout=max(0.0, deadline - monotonic()))
            for request in pending:
                request.cancel()

    def is_fresh(self, claim: Claim) -> bool:
        """Return whether the claim is so recent that a "Stop" committed since may be ignored."""
        return claim.claimed_at.measure_age(Instant(*read_clocks())) <= MAX_CLAIM_SECONDS

    def give_back(self, claim: Claim) -> None:
        """Record that a claim was not sent: it waits for the next free slot, on any replica."""
        self._finish(claim, NotSent(), 0.0)

    def _read(self, claim: Claim, request: asyncio.Future[Any], *, probe: bool = False) -> SendResult:
        """Return the answer; ConnectedLate only if the message may still be sent on the new connection."""
        answer = self.graph.answer(request)
        if not isinstance(answer, ConnectedLate | NotSent):
            return self._mark_isolated(claim, answer, probe=probe)
        if isinstance(answer, ConnectedLate) and self._may_leave(claim):
            return answer
        return send_results.Expired() if self.limiter.read_clock() >= claim.expires_at else NotSent()

    def _mark_isolated(self, claim: Claim, answer: SendResult, *, probe: bool) -> SendResult:
        """Return the answer, marked as `isolated` if this message is refused again while others are accepted."""
        is_reply = claim.broadcast is None  # counted separately: Meta may accept replies, but no templates
        if isinstance(answer, Accepted):
            self._accepted.add(is_reply)
        elif isinstance(answer, ErrorResponse) and answer.rule.action is ErrorAction.SENDER:
            if answer.code == claim.error_code and is_reply in self._accepted and not probe:
                return replace(answer, isolated=True)
            self._accepted.discard(is_reply)
        elif isinstance(answer, Refused):
            if isolated := claim.delivery in self._refused and is_reply in self._accepted and not probe:
                _log.warning("one_message_refused", reason=answer.reason, delivery=str(claim.delivery))
            self._accepted.discard(is_reply)
            self._refused.append(claim.delivery)
            return replace(answer, isolated=isolated)
        return answer

    def _settle(self, claim: Claim, answer: SendResult, started: float) -> None:
        if isinstance(answer, ConnectedLate):
            self.meter.count("send_slots_unused", label="connecting")
            self.lanes.put_back(claim)
            return
        now = monotonic()
        self._answer_seconds += ANSWER_WEIGHT * (now - started - self._answer_seconds)
        self._finish(claim, answer, now - started)
        if self.reachability.observe(answer, now):
            self._log_reachability()

    def _may_leave(self, claim: Claim) -> bool:
        return not self.stopping and self.is_fresh(claim) and self.limiter.read_clock() < claim.expires_at

    def _finish(self, claim: Claim, answer: SendResult, seconds: float) -> None:
        self.recorder.add(partial(self._build_record, claim, answer, seconds, self.limiter.read_clock()))

    def _build_record(self, claim: Claim, answer: SendResult, seconds: float, now: datetime) -> send_results.Record:
        key = self.graph.hash_message_id(answer.message_id) if isinstance(answer, Accepted) else None
        jitter = random.random()  # noqa: S311 - spreads retries
        self.meter.record_send(claim, answer, seconds, now)
        record = partial(send_results.Record, claim.delivery, claim.number, message_key=key)
        templated, attempt = "template" in claim.content, claim.attempt
        return send_results.build_record(record, answer, attempt=attempt, now=now, jitter=jitter, templated=templated)

    def _log_reachability(self) -> None:
        if reason := self.reachability.reason:
            _log.error("meta_not_reachable", reason=reason)
        else:
            _log.warning("meta_reachable_again")

    async def _apply_result(self, claim: Claim, answer: SendResult, *, probe: bool) -> None:
        """Apply the effects of an answer on later messages."""
        try:
            if isinstance(answer, ErrorResponse):
                await self._apply_error_action(claim, answer)
            elif isinstance(answer, Accepted) and probe and await self.limiter.resume():
                _log.warning("sending_resumed", reason="Meta accepted a message")
        except DependencyUnavailable:
            return  # without the database there is no next lease either
        except Exception:
            _log.exception("answer_not_applied")

    async def _apply_error_action(self, claim: Claim, answer: ErrorResponse) -> None:
        wait = min(answer.retry_after or THROTTLE_SECONDS, MAX_RETRY_SECONDS)
        match answer.rule.action:
            case ErrorAction.AGAIN if answer.isolated:
                _log.warning("one_message_refused", code=answer.code, delivery=str(claim.delivery))
            case ErrorAction.SLOWER if wait <= LONG_RETRY_SECONDS:
                await self.pauses.throttle(answer.code, wait)
            case ErrorAction.SLOWER:
                reason = f"Meta verlangt {answer.retry_after:.0f} Sekunden Pause, HTTP {answer.http_status}"
                await self.pauses.pause_sending(reason, wait)
            case ErrorAction.SENDER:
                await self.pauses.pause_sending(explain_code(answer.code))
            case ErrorAction.TEMPLATE if template := claim.content.get("template"):
                key = template_key(template["name"], template["language"]["code"])
                await self.pauses.pause_template(key, explain_code(answer.code))
            case ErrorAction.DROP:
                await self._count_rejection(claim, answer.code)
            case _:
                pass

    async def _count_rejection(self, claim: Claim, code: int) -> None:
        if claim.broadcast is None:
            _log.warning("reply_refused", code=code, delivery=str(claim.delivery))
        elif self._rejections.observe(claim.broadcast, code, [claim.delivery]):
            await self.pauses.pause_broadcast(claim.broadcast, code)
