"""A dispatcher with as many requests in flight as permitted: it uses them all, and leaves the slots it cannot use.

Slots that were used late are reported, so that all replicas delay those a second later.

In virtual time, with the real loop and its estimate: a lease costs a query, and a claim takes its time.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.pacing import (
    MAX_CLAIM_SECONDS,
    MAX_SLOT_DELAY_SECONDS,
    SLOT_TOLERANCE_SECONDS,
    LateUse,
    Lease,
)
from services.dispatcher.domain.reachability import Reachability
from services.dispatcher.handlers import sender as sender_module
from services.dispatcher.handlers.sender import ANSWER_WEIGHT, Sender
from tests.unit.dispatcher.virtual_time import build_loop, read_time, run_virtually

RESERVE_SECONDS = 0.003
SETTLING_SECONDS, MEASURED_SECONDS = 3.0, 5.0
BACKLOG = 100_000
MAX_BATCH = 100


@dataclass
class SoleLimiter:
    """A limiter that nobody else uses."""

    rate: float
    next_at: float = 0.0
    queries: int = 0

    async def reserve(self, slots: int) -> Lease:
        self.queries += 1
        await asyncio.sleep(RESERVE_SECONDS)
        start = max(self.next_at, read_time())
        self.next_at = start + slots / self.rate
        return Lease(start=start, spacing=1 / self.rate, slots=slots, planned=start)


@dataclass
class EndlessLanes:
    """Lanes with more work than anybody can do; a claim is the time at which it was claimed, and takes its time."""

    claim_seconds: float
    backlog: int = BACKLOG
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ready: deque[float] = field(default_factory=deque)

    def estimate_available(self) -> int:
        return self.backlog

    async def claim_some(self, slots: int, _: Iterable[object]) -> bool:
        if (missing := min(MAX_BATCH, slots - len(self.ready))) <= 0:
            return False
        await asyncio.sleep(self.claim_seconds)
        self.ready.extend([read_time()] * missing)
        return True

    def has_claims(self) -> bool:
        return bool(self.ready)

    def take(self) -> float | None:
        return self.ready.popleft() if self.ready else None

    def put_back(self, claim: float) -> None:
        self.ready.appendleft(claim)
        self.wake.set()


class SlowSender:
    """A sender whose requests take a time drawn by chance, or have no answer once it hangs."""

    estimate_room, max_rate = Sender.estimate_room, Sender.max_rate

    def __init__(self, lanes: EndlessLanes, max_requests: int, mean: float, deviation: float) -> None:
        self.lanes, self.max_requests, self.mean, self.deviation = lanes, max_requests, mean, deviation
        self.reachability, self.chance = Reachability(), Random(1)
        self._in_flight: dict[object, float] = {}
        self._answer_seconds, self.sent, self.given_back, self.hangs = 1.0, 0, 0, False
        self.most_in_flight = 0

    @property
    def free_requests(self) -> int:
        return self.max_requests - len(self._in_flight)

    def is_fresh(self, claim: float) -> bool:
        return read_time() - claim <= MAX_CLAIM_SECONDS

    def give_back(self, _: float) -> None:
        self.given_back += 1

    def start(self, _: float) -> None:
        self.sent += 1
        request = object()
        self._in_flight[request] = read_time()
        self.most_in_flight = max(self.most_in_flight, len(self._in_flight))
        seconds = max(0.001, self.chance.gauss(self.mean, self.deviation))
        asyncio.get_running_loop().call_later(seconds, self.end, request)

    def hang(self) -> None:
        self.hangs = True

    def end(self, request: object) -> None:
        if self.hangs:
            return
        was_full = self.free_requests <= 0
        self._answer_seconds += ANSWER_WEIGHT * (read_time() - self._in_flight.pop(request) - self._answer_seconds)
        if was_full:
            self.lanes.wake.set()


@dataclass
class LossMeter:
    """Slots that were lost, by reason."""

    lost: Counter[str] = field(default_factory=Counter)

    def count(self, _: str, *, label: str) -> None:
        self.lost[label] += 1

    def record_lease(self, *_: object) -> None:
        pass

    def show_send_bound(self, _: str) -> None:
        pass


@dataclass(frozen=True)
class Figures:
    """Events, each a second; and claims that are still open, or were given back in the end."""

    sent: float
    lost: float
    queries: float
    given_back: float
    open_claims: int


async def measure(
    rate: float, requests: int, mean: float, deviation: float, claim_seconds: float, hangs: bool
) -> Figures:
    """A Meta that `hangs` does so after the settling time, and is looked at some seconds later."""
    lanes, limiter, meter = EndlessLanes(claim_seconds), SoleLimiter(rate), LossMeter()
    sender = SlowSender(lanes, requests, mean, deviation)
    running = asyncio.create_task(build_loop(lanes, limiter, sender, meter).run(0))

    def read() -> Sequence[float]:
        return (sender.sent, meter.lost.total(), limiter.queries, sender.given_back)

    await asyncio.sleep(SETTLING_SECONDS + 4 * mean)
    if hangs:
        sender.hang()
        await asyncio.sleep(SETTLING_SECONDS)
    before = read()
    await asyncio.sleep(MEASURED_SECONDS)
    sent, lost, queries, given_back = [
        (last - first) / MEASURED_SECONDS for first, last in zip(before, read(), strict=True)
    ]
    running.cancel()
    await asyncio.wait([running])
    assert sender.most_in_flight <= requests
    return Figures(sent, lost, queries, given_back, len(lanes.ready))


def run(
    monkeypatch: pytest.MonkeyPatch,
    rate: float,
    requests: int,
    mean: float,
    deviation: float,
    *,
    claim_seconds: float = 0.01,
    hangs: bool = False,
) -> Figures:
    monkeypatch.setattr(sender_module, "monotonic", read_time)
    return run_virtually(measure(rate, requests, mean, deviation, claim_seconds, hangs))


@pytest.mark.parametrize("claim_seconds", [0.01, 0.05])
@pytest.mark.parametrize(
    ("rate", "requests", "mean", "deviation"),
    [
        (1_000, 200, 0.6, 0.1),
        (1_000, 160, 0.15, 0.01),
        (1_000, 160, 0.15, 0.05),
        (1_000, 20, 0.05, 0.01),
        (1_000, 2, 0.05, 0.01),
        (1_000, 4_000, 6.0, 1.0),
        (1_000, 200, 10.0, 4.0),
        (80, 20, 0.5, 0.0),
        (80, 20, 0.5, 0.1),
        (5, 2, 0.5, 0.1),
        (80, 320, 0.5, 0.1),
        (1_000, 4_000, 0.3, 0.1),
    ],
)
def test_as_many_are_sent_as_requests_and_rate_permit_and_few_slots_are_lost(
    monkeypatch: pytest.MonkeyPatch, rate: int, requests: int, mean: float, deviation: float, claim_seconds: float
) -> None:
    possible = min(rate, requests / mean)
    found = run(monkeypatch, rate, requests, mean, deviation, claim_seconds=claim_seconds)
    assert found.sent >= 0.85 * possible
    assert found.lost <= 0.15 * found.sent
    assert found.queries <= max(50, 0.7 * found.sent)
    assert found.given_back <= 0.1 * found.sent


def test_a_meta_that_answers_no_more_costs_no_slots_and_no_queries_and_holds_no_claims(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(monkeypatch, 1_000, 200, 0.6, 0.1, hangs=True) == Figures(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("requests", "backlog", "bound"), [(320, BACKLOG, "rate"), (4, BACKLOG, "requests"), (320, 0, "work")]
)
def test_what_bounds_sending_is_told(monkeypatch: pytest.MonkeyPatch, requests: int, backlog: int, bound: str) -> None:
    registry, name = CollectorRegistry(), "kreisfunk_dispatcher_send_bound_by"

    async def send() -> None:
        lanes, meter = EndlessLanes(0.01, backlog), Metrics(registry, limit=80)
        sender = SlowSender(lanes, requests, 0.5, 0.1)
        running = asyncio.create_task(build_loop(lanes, SoleLimiter(80), sender, meter).run(0))
        await asyncio.sleep(SETTLING_SECONDS)
        running.cancel()
        await asyncio.wait([running])

    monkeypatch.setattr(sender_module, "monotonic", read_time)
    run_virtually(send())
    told = {state: registry.get_sample_value(name, {name: state}) for state in ("rate", "requests", "work", "pause")}
    assert [state for state, value in told.items() if value] == [bound]


@dataclass
class LateLimiter(SoleLimiter):
    """A limiter whose only lease comes so many seconds after its slot."""

    late: float = 0.0
    uses: list[LateUse] = field(default_factory=list)

    async def reserve(self, _: int) -> Lease:
        if self.queries:
            await asyncio.Event().wait()
        self.queries += 1
        return Lease(start=read_time() - self.late, spacing=0.1, slots=1, planned=500.0)

    async def report_late_use(self, use: LateUse) -> None:
        self.uses.append(use)


@pytest.mark.parametrize(
    ("late", "is_told", "lost"),
    [
        (SLOT_TOLERANCE_SECONDS / 2, False, {}),
        (2 * SLOT_TOLERANCE_SECONDS, True, {}),
        (2 * MAX_SLOT_DELAY_SECONDS, False, {"late": 1}),
    ],
    ids=["hardly late", "late", "too late to be used"],
)
def test_a_slot_that_was_used_late_is_told(
    monkeypatch: pytest.MonkeyPatch, late: float, is_told: bool, lost: dict[str, int]
) -> None:
    monkeypatch.setattr(sender_module, "monotonic", read_time)
    limiter, meter = LateLimiter(rate=10.0, late=late), LossMeter()

    async def use_one() -> None:
        lanes = EndlessLanes(claim_seconds=0.01)
        lanes.ready.append(read_time())
        running = asyncio.create_task(build_loop(lanes, limiter, SlowSender(lanes, 10, 0.05, 0.0), meter).run(0))
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait([running])

    run_virtually(use_one())
    assert [(use.start, use.end) for use in limiter.uses] == [(500.0, 500.1)] * is_told
    assert [use.late for use in limiter.uses] == [pytest.approx(late)] * is_told
    assert meter.lost == lost
