"""The heart: reserve a lease, have claims ready when it begins, send one at each slot, begin again."""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

import structlog

from services.dispatcher.domain.pacing import LONGEST_LEAD_SECONDS, LateUse, Lease, claim_lead, lease_slots
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.ports import Claim, Limiter, Meter
from shared.outcome import DependencyAway

AWAY_SECONDS = 0.2
WORTH_WAITING_SECONDS = 0.5
FINEST_SECONDS = 0.001
HOLD_CHECK_SECONDS = 1.0
# Longer pauses give the lanes' messages back; short ones would only count as deliveries that came to nothing.
KEEP_LANES_SECONDS = 60.0

_log = structlog.get_logger()


class _Limiter(Limiter, Protocol):
    rate: float


class SendLoop:
    """Moves deliveries from the lanes to the sender at the shared rate.

    A lease is opened a little before its first slot: from then on claims are made for it, and the next one is
    reserved. What a slot sends is decided at its moment, so a reply waits for one lease at most. How long before
    a lease the claims are made follows the time that the last ones took.
    """

    def __init__(self, *, lanes: Lanes, limiter: _Limiter, sender: Sender, meter: Meter, wake: asyncio.Event) -> None:
        self._lanes = lanes
        self._limiter = limiter
        self._sender = sender
        self._meter = meter
        self._wake = wake
        self._stopping = asyncio.Event()
        self._refill_needed = asyncio.Event()
        self._lead = LONGEST_LEAD_SECONDS  # the first claims open connections
        self._open_slots = 0
        self._paused_since: float | None = None
        self._closing = False
        self._reports: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Reserve nothing more; the leases that are ours already are used, so that no slot is lost."""
        self._stopping.set()
        self._wake.set()

    async def run(self, drain_seconds: float) -> None:
        """Work until `stop`, then use what is reserved, hand back what is left, wait for what is in flight."""
        async with asyncio.TaskGroup() as tasks:
            refilling = tasks.create_task(self._refill())
            while not self._stopping.is_set():
                await self._try(self._step())
            while self._open_slots:
                await self._sleep_until_woken()
            self._closing = True
            self._refill_needed.set()
            await refilling
        self._sender.stopping = True
        self._give_back("stopping")
        await self._sender.drained(drain_seconds)

    async def _try(self, action: Awaitable[None]) -> bool:
        """Whether it was done; nothing that goes wrong once ends the loop."""
        try:
            await action
        except DependencyAway as error:
            _log.warning("dependency_away", error=str(error))
        except Exception:  # a bug costs a turn and is seen, the process lives
            _log.exception("send_loop_failed")
        else:
            return True
        await asyncio.sleep(AWAY_SECONDS)
        return False

    async def _step(self) -> None:
        if self._sender.reachability.reason is not None:
            await self._probe_reachability()
            return
        unplanned = self._lanes.available() - self._open_slots
        room = self._sender.room - self._open_slots
        if self._paused_since is None and min(unplanned, room) <= 0:
            self._meter.bound_by("work" if unplanned <= 0 else "requests")
            await self._sleep_until_woken()
            return
        lease = await self._reserve(lease_slots(self._limiter.rate, min(unplanned, room)))
        if not lease.held:
            self._resume("requests" if lease.slots == room else "rate")
            await self._open_in_time(lease)
        elif lease.slots and (claim := await self._claim_one()):
            await self._sender.probe(claim)
        else:
            await self._pause(lease.start - self._now())

    async def _reserve(self, slots: int) -> Lease:
        lease = await self._limiter.reserve(slots)
        self._meter.leased(lease, max(0.0, lease.start - self._now()))
        return lease

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _pause(self, seconds: float) -> None:
        """Send nothing for so long, a second at most: give back claims at once, and messages before RabbitMQ loses its
        patience, or others can send them, as only this replica has no way to Meta."""
        self._meter.bound_by("pause")
        self._give_back("paused")
        if self._paused_since is None:
            self._paused_since = self._now()
        if self._sender.reachability.reason or self._now() - self._paused_since > KEEP_LANES_SECONDS:
            self._lanes.close()
        await self._stopped_within(min(HOLD_CHECK_SECONDS, max(0.05, seconds)))

    def _resume(self, bound_by: str) -> None:
        self._meter.bound_by(bound_by)
        if self._paused_since is not None:
            self._paused_since = None
            self._lanes.open()

    async def _probe_reachability(self) -> None:
        """After each rest, send one message at a slot of the rate, which others use, and wait for its answer."""
        if rest := self._sender.rest_seconds():
            await self._pause(rest)
            return
        claim = await self._claim_one()
        if claim is None:
            await self._pause(HOLD_CHECK_SECONDS)
            return
        lease = await self._reserve(1)
        if lease.slots and (lease.held or not lease.missed(await self._wait_until(lease.start))):
            await self._sender.probe(claim)
        else:
            self._sender.give_back(claim, "slot missed")
            await self._pause(HOLD_CHECK_SECONDS)

    async def _claim_one(self) -> Claim | None:
        """Claim a message for a probe, from lanes that may have been given back."""
        if not self._lanes.available():
            self._lanes.open()
            await self._sleep_until_woken()
        await self._claim_for(1)
        return self._take()

    def _give_back(self, reason: str) -> None:
        for claim in self._lanes.take_all():
            self._sender.give_back(claim, reason)

    def _take(self) -> Claim | None:
        """The first claim in line that may still be sent; the others are given back."""
        while claim := self._lanes.take():
            if self._sender.is_fresh(claim):
                return claim
            self._sender.give_back(claim, "claim too old")
        return None

    async def _open_in_time(self, lease: Lease) -> None:
        wait = lease.opens - self._lead - self._now()
        if wait > WORTH_WAITING_SECONDS and await self._stopped_within(wait):
            return
        await asyncio.sleep(max(0.0, lease.opens - self._lead - self._now()))
        self._open_slots += lease.slots
        self._refill_needed.set()
        self._use(lease)

    def _use(self, lease: Lease) -> None:
        """Send at each slot. A callback for each costs half of what a task that sleeps from one to the next does."""
        loop = asyncio.get_running_loop()
        left, latest = lease.slots, 0.0

        def use(deadline: float) -> None:
            nonlocal left, latest
            left -= 1
            self._open_slots -= 1
            late = loop.time() - deadline
            if loss := self._use_slot(lease, late):
                self._meter.count("lost_slots", label=loss)
            else:
                latest = max(latest, late)
            if not left:
                self._wake.set()
                if late_use := lease.late_use(latest):
                    report = asyncio.create_task(self._report_late(late_use))
                    self._reports.add(report)
                    report.add_done_callback(self._reports.discard)

        for deadline in lease.deadlines():
            loop.call_at(deadline, use, deadline)

    async def _wait_until(self, deadline: float) -> float:
        """Wait for the moment; return how many seconds have passed since then."""
        if deadline > self._now():
            await asyncio.sleep(max(FINEST_SECONDS, deadline - self._now()))
        return self._now() - deadline

    def _use_slot(self, lease: Lease, late: float) -> str | None:
        """Send what is first in line; or return why the slot is lost."""
        if lease.missed(late):
            return "late"
        if self._sender.reachability.reason is not None:
            return "pause"
        claim = self._take()
        if claim is None:
            return "nothing"
        self._sender.start(claim)
        return None

    async def _report_late(self, use: LateUse) -> None:
        self._meter.count("late_use_seconds", use.late)
        try:
            await self._limiter.used_late(use)
        except DependencyAway:
            return  # without the database nobody has a next slot

    async def _refill(self) -> None:
        """Have a claim ready for each slot of the open leases."""
        while not self._closing:
            await self._refill_needed.wait()
            self._refill_needed.clear()
            started = self._now()
            if await self._try(self._claim_for(None)):
                self._lead = claim_lead(self._lead, self._now() - started)

    async def _claim_for(self, slots: int | None) -> None:
        """Claim until so many claims are ready, or one for each open slot, or nothing is left to be claimed."""
        while await self._lanes.claim_some(self._open_slots if slots is None else slots):
            pass

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stopping.wait()
        except TimeoutError:
            return False

    async def _sleep_until_woken(self) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(1.0):
                await self._wake.wait()
        except TimeoutError:
            return
