"""The send loop while sending is paused: prefetched messages, the search for a probe, and who sends it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast
from unittest.mock import patch

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.claims import Claim, Instant
from services.dispatcher.domain.pacing import (
    MAX_CLAIM_SECONDS,
    MAX_SLOT_DELAY_SECONDS,
    MIN_PREFETCH_SECONDS,
    PROBE_DELAY_SECONDS,
    Lease,
)
from services.dispatcher.domain.reachability import Reachability
from services.dispatcher.domain.send_results import ConnectedLate, NoResponse
from services.dispatcher.handlers import lanes as lanes_module
from services.dispatcher.handlers.lanes import LANES_OPEN_TIMEOUT_SECONDS, Lanes
from services.dispatcher.handlers.send_loop import LANES_CLOSE_DELAY_SECONDS, PAUSE_CHECK_INTERVAL_SECONDS, SendLoop
from services.dispatcher.handlers.sender import MAX_PROBE_ATTEMPTS, Sender
from services.dispatcher.ports import RateLimiter
from shared.contracts.message import Lane
from shared.runtime.clock import read_clocks
from tests.servers import WAIT_TIMEOUT_SECONDS
from tests.unit.dispatcher.test_sender import SayingGraph
from tests.unit.dispatcher.virtual_time import build_loop, read_time, run_until, run_virtually

NOTHING: Any = None
BROKER_SECONDS = 2.0
PROBES = 8


@dataclass
class FakeLaneQueue:
    """A lane with a message that is gone when it is taken, and the times at which it was opened or closed."""

    limiter: "FakeLimiter"
    waiting: int = 1
    changes: list[tuple[str, float]] = field(default_factory=list)

    def take(self) -> None:
        self.waiting = 0

    def peek(self) -> None:
        return None

    def open(self) -> None:
        self.changes.append(("opened", self.limiter.now))

    def close(self) -> None:
        self.changes.append(("closed", self.limiter.now))


@dataclass
class FakeLimiter:
    """A limiter that is asked at these times, and whose pause is over at the last one."""

    asked_at: Sequence[float]
    rate: float = 10.0
    now: float = 0.0
    asked: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def reserve(self, _: int) -> Lease:
        self.now = self.asked_at[min(self.asked, len(self.asked_at) - 1)]
        self.asked += 1
        is_over = self.asked >= len(self.asked_at)
        if is_over:
            self.over.set()
        start = self.now if is_over else self.now + PROBE_DELAY_SECONDS
        return Lease(start=start, spacing=0.1, slots=0, paused_reason=None if is_over else "a test")


async def test_lanes_are_closed_in_a_long_pause_only_and_opened_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    delay = LANES_CLOSE_DELAY_SECONDS
    limiter = FakeLimiter([5.0, 5.0 + delay, 6.0 + delay, 9.0 + delay, 20.0 + delay])
    queues = {lane: FakeLaneQueue(limiter) for lane in Lane}
    lanes = Lanes(ledger=NOTHING, queues=cast(Any, queues), prepare=lambda _: None, wake=asyncio.Event())
    meter, shared = Metrics(CollectorRegistry(), limit=10), cast(RateLimiter, limiter)
    sender = Sender(NOTHING, lanes, NOTHING, shared, NOTHING, meter, max_requests=10, timeout=20)
    loop = SendLoop(lanes=lanes, limiter=shared, sender=sender, meter=meter)
    monkeypatch.setattr(SendLoop, "_read_clock", lambda _: limiter.now)
    await run_until(loop, limiter.over.wait(), WAIT_TIMEOUT_SECONDS)
    expected = [("closed", 6.0 + delay), ("opened", 20.0 + delay)]
    assert [queue.changes for queue in queues.values()] == [expected] * len(Lane)


class SlowLanes:
    """Lanes whose first message comes BROKER_SECONDS after they were opened, as from a broker that is far or busy."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.ready: list[Claim] = []

    def open(self) -> None:
        asyncio.get_running_loop().call_later(BROKER_SECONDS, self.deliver)

    def deliver(self) -> None:
        self.ready.append(cast(Claim, object()))
        self.wake.set()

    async def close(self) -> None:
        pass

    def estimate_available(self) -> int:
        return len(self.ready)

    async def claim_some(self, *_: object) -> bool:
        return False

    def take(self) -> Claim | None:
        return self.ready.pop() if self.ready else None


class ProbingSender:
    """A sender that only remembers its probes."""

    def __init__(self) -> None:
        self.reachability, self.stopping, self.probed = Reachability(), False, asyncio.Event()
        self.probes: list[float] = []

    def estimate_room(self, *_: object) -> int:
        return 1

    def is_fresh(self, _: Claim) -> bool:
        return True

    def give_back(self, _: Claim) -> None:
        pass

    async def probe(self, _claim: Claim, **_: object) -> None:
        self.probes.append(read_time())
        self.probed.set()

    async def drain(self, _: float) -> None:
        pass


class SpareLanes(SlowLanes):
    """Lanes that always have a message; claiming it takes so many seconds before its row is there, and after that."""

    def __init__(self, before: float = 0.0, after: float = 0.0) -> None:
        super().__init__()
        self.before, self.after = before, after

    def estimate_available(self) -> int:
        return 1

    async def claim_some(self, *_: object) -> bool:
        await asyncio.sleep(self.before)
        self.ready[:] = [cast(Claim, Instant(*read_clocks()))]
        await asyncio.sleep(self.after)
        return False


class HastySender(ProbingSender):
    """One that may not send what was claimed long ago."""

    async def probe(self, _claim: Claim, **_: object) -> None:
        if cast(Instant, _claim).measure_age(Instant(*read_clocks())) < MAX_CLAIM_SECONDS:
            self.probed.set()


@dataclass
class SlotAhead:
    """A limiter whose next slot is so many seconds ahead: others have reserved those before."""

    seconds: float
    rate: float = 10.0

    async def reserve(self, _: int) -> Lease:
        return Lease(read_time() + self.seconds, spacing=0.1, slots=1)


@pytest.mark.parametrize(
    ("before", "after", "ahead"),
    [
        (0.0, 0.0, 1.5 * MAX_CLAIM_SECONDS),
        (2 * MAX_SLOT_DELAY_SECONDS, 0.0, 0.0),
        (0.0, MIN_PREFETCH_SECONDS + 2 * MAX_SLOT_DELAY_SECONDS, MAX_CLAIM_SECONDS),
    ],
    ids=["its slot is far", "its claim takes longer than a slot", "both"],
)
async def test_a_probe_is_claimed_and_has_a_slot_at_about_the_same_time(
    before: float, after: float, ahead: float
) -> None:
    sender = HastySender()
    sender.reachability.observe(NoResponse("HTTP 503 that is not from Meta", foreign=True), 0.0)
    loop = build_loop(SpareLanes(before, after), SlotAhead(ahead), sender)
    loop._prefetch_seconds = MIN_PREFETCH_SECONDS  # the claims before were fast
    await run_until(loop, sender.probed.wait(), WAIT_TIMEOUT_SECONDS)


async def test_lanes_that_were_opened_just_now_stay_open_until_the_broker_has_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each return counts as a delivery of a message, which is dead after some."""
    now = 1000.0
    monkeypatch.setattr(lanes_module, "monotonic", lambda: now)
    queues = {lane: FakeLaneQueue(FakeLimiter([])) for lane in Lane}
    lanes = Lanes(ledger=NOTHING, queues=cast(Any, queues), prepare=lambda _: None, wake=asyncio.Event())
    for _ in range(3):
        await lanes.close()
        lanes.open()
        await lanes.close()
        now += LANES_OPEN_TIMEOUT_SECONDS - 1
        await lanes.close()
        now += 1
    words = [[word for word, _ in queue.changes] for queue in queues.values()]
    assert words == [["closed", "opened"] * 3] * len(Lane)


class ClosedLanes(SpareLanes):
    """Lanes that have nothing from when they are closed until some time after they were opened again."""

    is_open = has_messages = True

    def open(self) -> None:
        if not self.is_open:
            super().open()
        self.is_open = True

    def deliver(self) -> None:
        self.has_messages = True
        self.wake.set()

    async def close(self) -> None:
        self.is_open = self.has_messages = False

    def estimate_available(self) -> int:
        return int(self.has_messages)

    def has_claims(self) -> bool:
        return bool(self.ready)


@dataclass
class PausedRow:
    """The shared row while sending is paused: a probe half a minute later, and then every half minute."""

    rate: float = 10.0
    probe_at: float | None = None
    is_paused: bool = True

    async def reserve(self, slots: int) -> Lease:
        now = read_time()
        if not self.is_paused:
            return Lease(now, spacing=0.1, slots=slots)
        due = self.probe_at or now + PROBE_DELAY_SECONDS
        is_due = due <= now
        self.probe_at = now + PROBE_DELAY_SECONDS if is_due else due
        return Lease(max(due, now), spacing=0.1, slots=int(is_due), paused_reason="a test")


class RefusedSender(ProbingSender):
    """A sender of which Meta accepts the last probe only."""

    def __init__(self, row: PausedRow) -> None:
        super().__init__()
        self.row, self.max_rate, self.max_requests = row, 10.0, 10
        self.free_requests, self.sent = 10, asyncio.Event()

    async def probe(self, _claim: Claim, **_: object) -> None:
        await super().probe(_claim)
        self.row.is_paused = len(self.probes) < PROBES

    def start(self, _: Claim) -> None:
        self.sent.set()


def test_each_probe_is_half_a_minute_after_the_one_before_and_after_an_accepted_one_all_is_sent() -> None:
    """For longer than lanes stay open in a pause."""

    async def probe_often() -> Sequence[float]:
        row, moments = PausedRow(), [read_time()]
        sender = RefusedSender(row)
        await run_until(build_loop(ClosedLanes(), row, sender), sender.sent.wait(), 10 * PROBE_DELAY_SECONDS)
        return [*moments, *sender.probes]

    moments = run_virtually(probe_often())
    waits = [later - earlier for earlier, later in pairwise(moments)]
    assert len(waits) == PROBES
    assert all(abs(wait - PROBE_DELAY_SECONDS) <= BROKER_SECONDS + PAUSE_CHECK_INTERVAL_SECONDS for wait in waits)


def test_a_replica_without_work_leaves_the_probe_to_one_with_a_message() -> None:
    """It asks for the slot first each time."""

    async def probe_often() -> tuple[int, int]:
        row, busy, idle = PausedRow(), ProbingSender(), ProbingSender()
        loops = [build_loop(SlowLanes(), row, idle), build_loop(SpareLanes(), row, busy)]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(loop.run(0)) for loop in loops]
            for loop in loops:
                loop._paused_since = asyncio.get_running_loop().time()
            await asyncio.sleep(PROBE_DELAY_SECONDS * (PROBES + 0.5))
            for loop in loops:
                loop.stop()
            await asyncio.gather(*running)
        return len(busy.probes), len(idle.probes)

    assert run_virtually(probe_often()) == (PROBES, 0)


class RecordedClaims:
    """Lanes that get back what was not sent."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.claims: list[Claim] = []

    def put_back(self, claim: Claim) -> None:
        self.claims.append(claim)


@pytest.mark.parametrize(("paused", "sent"), [(True, MAX_PROBE_ATTEMPTS), (False, 1)])
async def test_a_probe_whose_connection_came_late_leaves_at_another_slot_unless_nobody_sends(
    paused: bool, sent: int
) -> None:
    graph, lanes, meter = SayingGraph(ConnectedLate()), RecordedClaims(), Metrics(CollectorRegistry(), limit=10)
    sender = Sender(cast(Any, graph), cast(Any, lanes), NOTHING, NOTHING, NOTHING, meter, max_requests=10, timeout=20)
    claim = cast(Claim, object())
    with patch.object(Sender, "_may_leave", return_value=True):
        await sender.probe(claim, paused=paused)
    assert (graph.sent, lanes.claims) == (sent, [claim])
