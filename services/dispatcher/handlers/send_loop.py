"""Main loop: reserve a lease, have claims ready when it starts, send one at each slot, repeat."""

import asyncio
import math
import random
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from services.dispatcher.domain import pacing
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.pacing import LateUse, Lease
from services.dispatcher.handlers.lanes import LANES_OPEN_TIMEOUT_SECONDS, Lanes
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.ports import Meter, RateLimiter
from shared.contracts.message import Lane
from shared.outcome import DependencyUnavailable
from shared.runtime.background import wait_until_set

RETRY_DELAY_SECONDS = 0.2
MIN_WAIT_SECONDS = 0.5
PAUSE_CHECK_INTERVAL_SECONDS = 1.0
# A replica without work leaves a due probe to others for this long, and then looks for a message itself.
IDLE_DELAY_SECONDS = 1.0
# Longer pauses close the lanes: the broker's acknowledgement timeout is half an hour.
LANES_CLOSE_DELAY_SECONDS = 60.0

_log = structlog.get_logger()


@dataclass(kw_only=True)
class SendLoop:
    """Loop that moves deliveries from the lanes to the sender at the shared rate.

    A lease opens shortly before its first slot: from then on deliveries are claimed for it, and the next lease is
    reserved. The message for a slot is chosen at the slot, so a reply waits for at most one lease. The lead time for
    claims follows the duration of the last claims.
    """

    lanes: Lanes
    limiter: RateLimiter
    sender: Sender
    meter: Meter
    # The first claims open connections.
    _prefetch_seconds: float = field(default=pacing.MAX_PREFETCH_SECONDS, init=False)
    _open_slots: int = field(default=0, init=False)
    _spare_claims: int = field(default=0, init=False)
    _paused_since: float | None = field(default=None, init=False)
    _probe_at: float = field(default=math.inf, init=False)
    _closing: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._stopping, self._refill_needed = asyncio.Event(), asyncio.Event()
        self._reports: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Stop reserving; leases already reserved are used up, so that no slot is lost."""
        self._stopping.set()
        self.lanes.wake.set()

    async def run(self, drain_seconds: float) -> None:
        """Run until `stop`; then use up reserved leases, return unsent claims, and wait for requests in flight."""
        async with asyncio.TaskGroup() as tasks:
            refilling = tasks.create_task(self._refill())
            while not self._stopping.is_set():
                await self._try(self._run_once())
            self._spare_claims = 0
            while self._open_slots:
                await self._sleep_until_woken()
            self._closing = True
            self._refill_needed.set()
            await refilling
        self.sender.stopping = True
        self._give_back()
        await self.sender.drain(drain_seconds)

    async def _try(self, action: Awaitable[None]) -> None:
        """Log an error of the action instead of ending the loop."""
        try:
            await action
        except DependencyUnavailable as error:
            _log.warning("dependency_unavailable", error=str(error))
        except Exception:  # a bug costs one iteration and is logged; the process continues
            _log.exception("send_loop_failed")
        else:
            return
        await asyncio.sleep(RETRY_DELAY_SECONDS)

    async def _run_once(self) -> None:
        if self.sender.reachability.reason is not None:
            await self._probe_reachability()
        elif self._is_probe_for_others():
            await self._pause(IDLE_DELAY_SECONDS)
        else:
            await self._use_lease()

    def _is_probe_for_others(self) -> bool:
        """Return whether a due probe is left to replicas that have something to send."""
        is_due = 0 <= self._read_clock() - self._probe_at < IDLE_DELAY_SECONDS
        return is_due and not self.lanes.estimate_available()

    async def _use_lease(self) -> None:
        unplanned = self.lanes.estimate_available() - self._open_slots
        max_slots = pacing.compute_lease_slots(self.limiter.rate, unplanned)
        slots = self.sender.estimate_room(max_slots, self._open_slots, self.limiter.rate)
        # A lease costs a query: while another one is open, a small one waits for more requests to end.
        min_slots = max(1, min(max_slots, self.sender.max_requests // 2) // 4) if self._open_slots else 1
        is_full = unplanned > 0 and slots < max_slots
        # A lease that starts as soon as requests end leaves no time to claim; if none end, spare claims are useless.
        self._spare_claims = self._count_spare(max_slots) if is_full and (slots or self._open_slots) else 0
        if self._paused_since is None and (unplanned <= 0 or slots < min_slots):
            self.meter.show_send_bound("requests" if is_full else "work")
            if is_full:
                if claim := self._take():  # also gives back outdated claims
                    self.lanes.put_back(claim)
                self._refill_needed.set()
            await self._sleep_until_woken()
            return
        lease = await self._reserve(max(1, slots))
        self._probe_at = lease.start if lease.is_paused else math.inf
        if not lease.is_paused:
            self.meter.show_send_bound("requests" if is_full else "rate")
            if self._paused_since is not None:
                self._paused_since = None
                self.lanes.open()
            await self._schedule_lease(lease)
        elif lease.slots and await self._find_probe() and (claim := await self._claim_probe()):
            await self.sender.probe(claim, paused=True)
        else:
            await self._pause(lease.start - self._read_clock())

    def _count_spare(self, max_slots: int) -> int:
        """Return how many claims to keep ready: enough while claiming, but no more than are soon sent."""
        limits = self.limiter.rate * self._prefetch_seconds, self.sender.max_rate * pacing.MAX_SPARE_SECONDS
        return max(1, min(max_slots, *map(round, limits)))

    async def _reserve(self, slots: int) -> Lease:
        lease = await self.limiter.reserve(slots)
        self.meter.record_lease(lease, max(0.0, lease.start - self._read_clock()))
        return lease

    def _read_clock(self) -> float:
        return asyncio.get_running_loop().time()

    async def _pause(self, seconds: float) -> None:
        """Send nothing for `seconds`, at most one second.

        Return claims at once, and messages to the ledger before the broker's acknowledgement timeout expires, or at
        once if only this replica cannot reach Meta, so that others can send them.
        """
        self.meter.show_send_bound("pause")
        self._give_back()
        now = self._read_clock()
        if self._paused_since is None:
            self._paused_since = now
        if self.sender.reachability.reason or now - self._paused_since > LANES_CLOSE_DELAY_SECONDS:
            await self.lanes.close()
        end = now + min(PAUSE_CHECK_INTERVAL_SECONDS, max(0.05, seconds))
        await wait_until_set(self._stopping, max(0.0, end - self._read_clock()))

    async def _probe_reachability(self) -> None:
        """After each backoff, send one message at a slot of the shared rate and wait for its answer."""
        if backoff := self.sender.reachability.get_backoff_seconds(self._read_clock()):
            await self._pause(backoff)
            return
        if await self._find_probe() and (lease := await self._reserve(1)).slots:
            await self._sleep_until(lease.start - self._prefetch_seconds)
            if claim := await self._claim_probe():
                if not lease.is_paused and self._is_missed(lease):
                    lease = await self._reserve(1)  # claiming took too long
                if lease.slots:
                    await self._sleep_until(lease.start)
                    if lease.is_paused or not self._is_missed(lease):
                        await self.sender.probe(claim, paused=lease.is_paused)
                        return
                self.sender.give_back(claim)
        await self._pause(PAUSE_CHECK_INTERVAL_SECONDS)

    async def _find_probe(self) -> bool:
        """Return whether there is a message for a probe; open the lanes, as Meta may refuse all due ones."""
        if not self._stopping.is_set():
            self.lanes.open()
            if not self.lanes.estimate_available():
                await self._sleep_until_woken(LANES_OPEN_TIMEOUT_SECONDS)
        return self.lanes.estimate_available() > 0

    async def _claim_probe(self) -> Claim | None:
        # In random order: if replies always came first, two that Meta never accepts would leave other lanes no probe.
        is_unreachable = self.sender.reachability.reason is not None
        await self._claim_for(1, random.sample(list(Lane), len(Lane)) if is_unreachable else Lane)
        return self._take()

    def _is_missed(self, lease: Lease) -> bool:
        return self._read_clock() - lease.start > pacing.MAX_SLOT_DELAY_SECONDS

    def _give_back(self) -> None:
        while claim := self.lanes.take():
            self.sender.give_back(claim)

    def _take(self) -> Claim | None:
        """Return the first claim that may still be sent; give back the outdated ones before it."""
        while claim := self.lanes.take():
            if self.sender.is_fresh(claim):
                return claim
            self.sender.give_back(claim)
        return None

    async def _schedule_lease(self, lease: Lease) -> None:
        wait = lease.opens_at - self._prefetch_seconds - self._read_clock()
        if wait > pacing.MAX_CLAIM_SECONDS:
            self._give_back()
        # Sending may have been paused since the slots were reserved; asking early makes none of them late.
        early = wait - MIN_WAIT_SECONDS
        if early > 0 and (await wait_until_set(self._stopping, early) or await self.limiter.ask_if_paused()):
            return
        await self._sleep_until(lease.opens_at - self._prefetch_seconds)
        self._open_slots += lease.slots
        self._refill_needed.set()
        self._schedule_slots(lease)

    def _schedule_slots(self, lease: Lease) -> None:
        """Schedule a callback for each slot, which costs half as much as a task that sleeps from slot to slot."""
        loop = asyncio.get_running_loop()
        remaining, max_late = lease.slots, 0.0

        def use_slot(deadline: float) -> None:
            nonlocal remaining, max_late
            remaining -= 1
            self._open_slots -= 1
            late = loop.time() - deadline
            if unused_reason := self._send_at_slot(late):
                self.meter.count("send_slots_unused", label=unused_reason)
            else:
                max_late = max(max_late, late)
            if not remaining:
                self.lanes.wake.set()
                if late_use := lease.build_late_use(max_late):
                    report = asyncio.create_task(self._report_late(late_use))
                    self._reports.add(report)
                    report.add_done_callback(self._reports.discard)

        for deadline in lease.iterate_deadlines():
            loop.call_at(deadline, use_slot, deadline)

    def _send_at_slot(self, late: float) -> str | None:
        """Send the first claim `late` seconds after a slot, or return the reason why the slot is not used."""
        if late > pacing.MAX_SLOT_DELAY_SECONDS:
            return "late"
        if self.sender.reachability.reason is not None:
            return "pause"
        if self.sender.free_requests <= 0:
            return "requests"
        if claim := self._take():
            self.sender.start(claim)
        if self._open_slots and not self.lanes.has_claims():
            self._refill_needed.set()
        return None if claim else "nothing"

    async def _report_late(self, use: LateUse) -> None:
        with suppress(DependencyUnavailable):  # without the database no replica gets another slot
            await self.limiter.report_late_use(use)

    async def _refill(self) -> None:
        """Claim for the slots of open leases whenever `_refill_needed` is set."""
        while not self._closing:
            await self._refill_needed.wait()
            self._refill_needed.clear()
            await self._try(self._claim_for(None))

    async def _claim_for(self, slots: int | None, lanes: Iterable[Lane] = Lane) -> None:
        """Claim until `slots` claims (by default the open slots and spare ones) are ready or no work is left."""
        started = self._read_clock()
        while await self.lanes.claim_some(self._open_slots + self._spare_claims if slots is None else slots, lanes):
            pass
        self._prefetch_seconds = pacing.compute_prefetch_seconds(self._prefetch_seconds, self._read_clock() - started)

    async def _sleep_until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._read_clock()))

    async def _sleep_until_woken(self, seconds: float = 1.0) -> None:
        self.lanes.wake.clear()
        await wait_until_set(self.lanes.wake, seconds)
