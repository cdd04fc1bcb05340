"""The heart: reserve a lease, have claims ready when it begins, send one at each slot, begin again."""

import asyncio

import structlog

from services.dispatcher.domain.pacing import LONGEST_LEAD_SECONDS, LateUse, Lease, claim_lead, lease_slots
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.sending import Sender
from services.dispatcher.ports import Limiter, Meter
from shared.outcome import DependencyAway

AWAY_SECONDS = 0.2
WORTH_WAITING_SECONDS = 0.5
FINEST_SECONDS = 0.001

_log = structlog.get_logger()


class Pump:
    """Moves deliveries from the lanes to the sender at the shared rate.

    A lease is opened a little before its first slot: from then on claims are made for it, and the next one is
    reserved. What a slot sends is decided at its moment, so a reply waits for one lease at most. How long before
    a lease the claims are made follows the time that the last ones took.
    """

    def __init__(
        self,
        *,
        lanes: Lanes,
        limiter: Limiter,
        sender: Sender,
        meter: Meter,
        wake: asyncio.Event,
        rate: float,
    ) -> None:
        self._lanes = lanes
        self._limiter = limiter
        self._sender = sender
        self._meter = meter
        self._wake = wake
        self._rate = rate
        self._stopping = asyncio.Event()
        self._short = asyncio.Event()
        self._lead = LONGEST_LEAD_SECONDS  # the first claims open connections
        self._open_slots = 0
        self._closing = False
        self._leases: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Reserve nothing more; the leases that are ours already are used, so that no slot is lost."""
        self._stopping.set()
        self._wake.set()

    async def run(self, drain_seconds: float) -> None:
        """Work until `stop`, then use what is reserved, hand back what is left, wait for what is in flight."""
        async with asyncio.TaskGroup() as tasks:
            stocking = tasks.create_task(self._keep_stock())
            while not self._stopping.is_set():
                await self._step()
            await asyncio.gather(*self._leases)
            self._closing = True
            self._short.set()
            await stocking
        self._sender.stopping = True
        for claim in self._lanes.take_all():
            self._sender.give_back(claim, "stopping")
        await self._sender.drained(drain_seconds)

    async def _step(self) -> None:
        unplanned = self._lanes.available() - self._open_slots
        if unplanned <= 0:
            await self._sleep_until_woken()
            return
        try:
            lease = await self._limiter.reserve(lease_slots(self._rate, unplanned))
        except DependencyAway as error:
            await self._away(error)
            return
        self._meter.leased(lease, max(0.0, lease.start - asyncio.get_running_loop().time()))
        await (self._open_in_time(lease) if lease.slots else self._wait_for_release(lease))

    async def _away(self, error: DependencyAway) -> None:
        _log.warning("dependency_away", error=str(error))
        await asyncio.sleep(AWAY_SECONDS)

    async def _open_in_time(self, lease: Lease) -> None:
        wait = lease.opens - self._lead - asyncio.get_running_loop().time()
        if wait > WORTH_WAITING_SECONDS and await self._stopped_within(wait):
            return
        await asyncio.sleep(max(0.0, lease.opens - self._lead - asyncio.get_running_loop().time()))
        self._open_slots += lease.slots
        self._short.set()
        task = asyncio.create_task(self._use(lease))
        self._leases.add(task)
        task.add_done_callback(self._leases.discard)

    async def _use(self, lease: Lease) -> None:
        latest = 0.0
        for deadline in lease.deadlines():
            late = await self._lateness(deadline)
            self._open_slots -= 1
            if loss := self._loss(lease, late):
                self._meter.lost(loss)
            else:
                latest = max(latest, late)
        self._wake.set()
        if use := lease.late_use(latest + self._sender.slowest_connect()):
            await self._tell(use)

    async def _lateness(self, deadline: float) -> float:
        """Wait for the moment; how many seconds have passed since then."""
        loop = asyncio.get_running_loop()
        if deadline > loop.time():
            await asyncio.sleep(max(FINEST_SECONDS, deadline - loop.time()))
        return loop.time() - deadline

    def _loss(self, lease: Lease, late: float) -> str | None:
        """Send what is first in line; or why the slot is lost."""
        if lease.missed(late):
            return "late"
        if self._sender.full:
            return "full"
        claim = self._lanes.take()
        if claim is None:
            return "nothing"
        self._sender.start(claim)
        return None

    async def _tell(self, use: LateUse) -> None:
        self._meter.shifted(use.late)
        try:
            await self._limiter.used_late(use)
        except DependencyAway:
            return  # without the database nobody has a next slot

    async def _keep_stock(self) -> None:
        """Have a claim ready for each slot of the open leases."""
        while not self._closing:
            await self._short.wait()
            self._short.clear()
            started = asyncio.get_running_loop().time()
            try:
                while await self._lanes.claim_some(self._open_slots):
                    pass
            except DependencyAway as error:
                await self._away(error)
            else:
                self._lead = claim_lead(self._lead, asyncio.get_running_loop().time() - started)

    async def _wait_for_release(self, lease: Lease) -> None:
        """The sender is held: look again at the moment of the next try, and at least once a second."""
        await self._stopped_within(min(1.0, max(0.05, lease.start - asyncio.get_running_loop().time())))

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
