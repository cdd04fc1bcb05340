"""The heart: reserve a lease, wait for its moment, fill it from the highest lane, send, begin again."""

import asyncio

import structlog

from services.dispatcher.domain.pacing import CLAIM_LEAD_SECONDS, Lease, claim_lead, lease_slots
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.sending import Sender
from services.dispatcher.ports import Claim, Limiter, Meter
from shared.outcome import DependencyAway

AWAY_SECONDS = 0.2
MOST_IN_FLIGHT = 2000
WORTH_WAITING_SECONDS = 0.5

_log = structlog.get_logger()


class Pump:
    """Moves deliveries from the lanes to the sender at the shared rate.

    While there is more to send than a lease has slots, the next lease is reserved while this one is filled, so no
    slot is lost between two; what fills a lease is decided at the last moment, so a reply waits for one lease at
    most. How long before a lease the claims are made follows the time that the last ones took.
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
        self._lead = CLAIM_LEAD_SECONDS
        self._next: asyncio.Task[Lease] | None = None
        self._leases: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Reserve nothing more; the leases that are ours already are used, so that no slot is lost."""
        self._stopping.set()
        self._wake.set()

    async def run(self, drain_seconds: float) -> None:
        """Work until `stop`, then use what is reserved, hand back what is left, wait for what is in flight."""
        while not self._stopping.is_set():
            await self._step()
        await self._use_reserved()
        await asyncio.gather(*self._leases)
        self._sender.stopping = True
        for claim in self._lanes.take_carried():
            self._sender.give_back(claim, "stopping")
        await self._sender.drained(drain_seconds)

    async def _use_reserved(self) -> None:
        reserved, self._next = self._next, None
        try:
            if reserved:
                await self._use_lease(await reserved)
        except DependencyAway:
            return

    async def _step(self) -> None:
        await self._sender.room(MOST_IN_FLIGHT)
        available = self._lanes.available()
        if not available:
            await self._sleep_until_woken()
            return
        try:
            lease = await self._take_lease(available)
            await (self._use_lease(lease) if lease.slots else self._wait_for_release(lease))
        except DependencyAway as error:
            _log.warning("dependency_away", error=str(error))
            await asyncio.sleep(AWAY_SECONDS)

    async def _take_lease(self, available: int) -> Lease:
        """The lease that was reserved ahead, or a new one; and ahead the next, if this one will not do."""
        reserved, self._next = self._next, None
        lease = await (reserved or self._reserve(available))
        if available > lease.slots > 0:
            self._next = asyncio.create_task(self._reserve(available - lease.slots))
        return lease

    async def _reserve(self, available: int) -> Lease:
        lease = await self._limiter.reserve(lease_slots(self._rate, available))
        self._meter.leased(lease, max(0.0, lease.start - asyncio.get_running_loop().time()))
        return lease

    async def _use_lease(self, lease: Lease) -> None:
        wait = lease.start - self._lead - asyncio.get_running_loop().time()
        if wait > WORTH_WAITING_SECONDS and await self._stopped_within(wait):
            return
        await asyncio.sleep(max(0.0, lease.start - self._lead - asyncio.get_running_loop().time()))
        claims = await self._fill(lease.slots) if lease.slots else []
        task = asyncio.create_task(self._send(lease, claims))
        self._leases.add(task)
        task.add_done_callback(self._leases.discard)

    async def _fill(self, slots: int) -> list[Claim]:
        started = asyncio.get_running_loop().time()
        claims = await self._lanes.fill(slots)
        took = asyncio.get_running_loop().time() - started
        self._lead = claim_lead(self._lead, took)
        return claims

    async def _wait_for_release(self, lease: Lease) -> None:
        """The sender is held: look again at the moment of the next try, and at least once a second."""
        await self._stopped_within(min(1.0, max(0.05, lease.start - asyncio.get_running_loop().time())))

    async def _send(self, lease: Lease, claims: list[Claim]) -> None:
        missed = await self._sender.send_all(lease, claims)
        self._lanes.carry(missed)
        if missed:
            self._wake.set()

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
