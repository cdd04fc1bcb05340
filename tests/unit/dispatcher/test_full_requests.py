"""A dispatcher with as many requests in flight as permitted: it uses them all, and leaves the slots it cannot use.

Slots that were used late are reported, so that all replicas delay those a second later.

In virtual time, with the real loop and sender: a lease costs a query, and a claim takes its time.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.claims import Claim, Instant
from services.dispatcher.domain.pacing import MAX_SLOT_DELAY_SECONDS, SLOT_TOLERANCE_SECONDS, LateUse, Lease
from services.dispatcher.domain.send_results import Accepted, NotSent, Record, SendResult
from services.dispatcher.handlers import sender as sender_module
from services.dispatcher.handlers.send_loop import SendLoop
from services.dispatcher.handlers.sender import Sender
from shared.contracts.message import Address, AddressKind, Lane
from tests.unit.dispatcher.virtual_time import build_loop, read_time, run_virtually

NOTHING: Any = None
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
DELIVERY, ADDRESS = UUID(int=1), Address(kind=AddressKind.PHONE, index=b"", sealed=b"")
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

    def read_clock(self) -> datetime:
        return NOW

    async def reserve(self, slots: int) -> Lease:
        self.queries += 1
        await asyncio.sleep(RESERVE_SECONDS)
        start = max(self.next_at, read_time())
        self.next_at = start + slots / self.rate
        return Lease(start=start, spacing=1 / self.rate, slots=slots, planned=start)


@dataclass
class EndlessLanes:
    """Lanes with more work than anybody can do; a claim takes its time."""

    claim_seconds: float
    backlog: int = BACKLOG
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ready: deque[Claim] = field(default_factory=deque)

    def estimate_available(self) -> int:
        return self.backlog

    async def claim_some(self, slots: int, _: Iterable[object]) -> bool:
        if (missing := min(MAX_BATCH, slots - len(self.ready))) <= 0:
            return False
        await asyncio.sleep(self.claim_seconds)
        self.ready.extend(build_claim() for _ in range(missing))
        return True

    def has_claims(self) -> bool:
        return bool(self.ready)

    def take(self) -> Claim | None:
        return self.ready.popleft() if self.ready else None

    def put_back(self, claim: Claim) -> None:
        self.ready.appendleft(claim)
        self.wake.set()


def build_claim(number: int = 1) -> Claim:
    """Return a claim of this moment."""
    return Claim(DELIVERY, Lane.BULK, ADDRESS, {}, NOW, NOW, Instant(read_time(), 0.0), number=number)


@dataclass
class SlowGraph:
    """Meta, whose answers take a time drawn by chance, and do not come any more once it hangs."""

    mean: float = 0.05
    deviation: float = 0.0
    hangs: bool = False
    sent: list[Claim] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    chance: Random = field(default_factory=lambda: Random(1))

    def send(self, claim: Claim, _: object) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()
        self.sent.append(claim)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        loop.call_later(max(0.001, self.chance.gauss(self.mean, self.deviation)), self.end, answered)
        return answered

    def end(self, answered: asyncio.Future[None]) -> None:
        if not self.hangs:
            self.in_flight -= 1
            answered.set_result(None)

    def answer(self, _: asyncio.Future[None]) -> SendResult:
        return Accepted("wamid.1")


class Results(list[SendResult]):
    """A recorder that commits nothing."""

    def add(self, result: "partial[Record]") -> None:
        self.append(result.args[1])


def build_replica(
    monkeypatch: pytest.MonkeyPatch, lanes: EndlessLanes, limiter: Any, graph: SlowGraph, meter: Any, requests: int = 10
) -> tuple[SendLoop, Results]:
    """Return the loop with a real sender, and the results of what was sent or given back."""
    monkeypatch.setattr(sender_module, "monotonic", read_time)
    monkeypatch.setattr(sender_module, "read_clocks", lambda: (read_time(), 0.0))
    results = Results()
    parts: Any = {"graph": graph, "lanes": lanes, "meter": meter, "limiter": limiter, "recorder": results}
    sender = Sender(**parts, pauses=NOTHING, max_requests=requests, timeout=1_000)
    return build_loop(lanes, limiter, sender, meter), results


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
    monkeypatch: pytest.MonkeyPatch, graph: SlowGraph, rate: float, requests: int, claim_seconds: float, hangs: bool
) -> Figures:
    """A Meta that `hangs` does so after the settling time, and is looked at some seconds later."""
    lanes, limiter, meter = EndlessLanes(claim_seconds), SoleLimiter(rate), LossMeter()
    loop, results = build_replica(monkeypatch, lanes, limiter, graph, meter, requests)
    running = asyncio.create_task(loop.run(0))

    def read() -> Sequence[float]:
        return (len(graph.sent), meter.lost.total(), limiter.queries, results.count(NotSent()))

    await asyncio.sleep(SETTLING_SECONDS + 4 * graph.mean)
    if hangs:
        graph.hangs = True
        await asyncio.sleep(SETTLING_SECONDS)
    before = read()
    await asyncio.sleep(MEASURED_SECONDS)
    sent, lost, queries, given_back = [
        (last - first) / MEASURED_SECONDS for first, last in zip(before, read(), strict=True)
    ]
    running.cancel()
    await asyncio.wait([running])
    assert graph.most_in_flight <= requests
    return Figures(sent, lost, queries, given_back, len(lanes.ready))


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
    graph = SlowGraph(mean, deviation)
    found = run_virtually(measure(monkeypatch, graph, rate, requests, claim_seconds, hangs=False))
    assert found.sent >= 0.85 * possible
    assert found.lost <= 0.15 * found.sent
    assert found.queries <= max(50, 0.7 * found.sent)
    assert found.given_back <= 0.1 * found.sent


def test_a_meta_that_answers_no_more_costs_no_slots_and_no_queries_and_holds_no_claims(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = measure(monkeypatch, SlowGraph(0.6, 0.1), 1_000, 200, 0.01, hangs=True)
    assert run_virtually(story) == Figures(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("requests", "backlog", "bound"), [(320, BACKLOG, "rate"), (4, BACKLOG, "requests"), (320, 0, "work")]
)
def test_what_bounds_sending_is_told(monkeypatch: pytest.MonkeyPatch, requests: int, backlog: int, bound: str) -> None:
    registry, name = CollectorRegistry(), "kreisfunk_dispatcher_send_bound_by"

    async def send() -> None:
        lanes, meter = EndlessLanes(0.01, backlog), Metrics(registry, limit=80)
        loop, _ = build_replica(monkeypatch, lanes, SoleLimiter(80), SlowGraph(0.5, 0.1), meter, requests)
        running = asyncio.create_task(loop.run(0))
        await asyncio.sleep(SETTLING_SECONDS)
        running.cancel()
        await asyncio.wait([running])

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
    limiter, meter = LateLimiter(rate=10.0, late=late), LossMeter()

    async def use_one() -> None:
        lanes = EndlessLanes(claim_seconds=0.01)
        lanes.ready.append(build_claim())
        loop, _ = build_replica(monkeypatch, lanes, limiter, SlowGraph(), meter)
        running = asyncio.create_task(loop.run(0))
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait([running])

    run_virtually(use_one())
    assert [(use.start, use.end) for use in limiter.uses] == [(500.0, 500.1)] * is_told
    assert [use.late for use in limiter.uses] == [pytest.approx(late)] * is_told
    assert meter.lost == lost
