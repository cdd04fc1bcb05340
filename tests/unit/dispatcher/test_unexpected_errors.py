"""An exception that nobody foresaw costs one round or one row: all goes on, and nothing is lost or done twice."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import AsyncMock, Mock
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.pacing import Lease
from services.dispatcher.domain.send_results import ErrorResponse, Record
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.pauses import Pauses
from services.dispatcher.handlers.recorder import Recorder
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.ports import Ledger
from tests.unit.dispatcher.test_full_requests import (
    EndlessLanes,
    LossMeter,
    SlowGraph,
    SoleLimiter,
    build_claim,
    build_replica,
)
from tests.unit.dispatcher.test_sender import NOW, SayingGraph
from tests.unit.dispatcher.test_sender import build_claim as build_reply_claim
from tests.unit.dispatcher.virtual_time import run_virtually

NOTHING: Any = None
NUMBERS = range(1, 41)
ENOUGH_SECONDS = 10.0


def run(story: Coroutine[Any, Any, None]) -> list[str]:
    """Run in virtual time, and return the events that were logged as errors."""
    with capture_logs() as lines:
        run_virtually(story)
    return [line["event"] for line in lines if line["log_level"] == "error"]


class Unforeseen(Exception):
    """Exception of a bug."""


@dataclass
class FailsOnce:
    """Raises the first time."""

    has_failed: bool = False

    def check(self) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise Unforeseen


@dataclass
class FailingLimiter(SoleLimiter):
    failure: FailsOnce = field(default_factory=FailsOnce)

    async def reserve(self, slots: int) -> Lease:
        if self.queries:  # the second lease, while the first is used
            self.failure.check()
        return await super().reserve(slots)


@dataclass
class NumberedLanes(EndlessLanes):
    """Lanes with so many messages, each with its number; `failure` breaks a claim."""

    failure: FailsOnce = field(default_factory=lambda: FailsOnce(has_failed=True))
    left: deque[int] = field(default_factory=lambda: deque(NUMBERS))

    def estimate_available(self) -> int:
        return len(self.left) + len(self.ready)

    async def claim_some(self, slots: int, _: Iterable[object]) -> bool:
        if (missing := min(len(self.left), slots - len(self.ready))) <= 0:
            return False
        await asyncio.sleep(self.claim_seconds)
        if len(self.left) < len(NUMBERS):
            self.failure.check()
        self.ready.extend(build_claim(self.left.popleft()) for _ in range(missing))
        return True


@pytest.mark.parametrize(
    ("build_lanes", "build_limiter"),
    [
        (lambda: NumberedLanes(0.01), lambda: FailingLimiter(80)),
        (lambda: NumberedLanes(0.01, failure=FailsOnce()), lambda: SoleLimiter(80)),
    ],
    ids=["a lease", "a claim"],
)
def test_the_loop_goes_on_after_an_error_and_sends_each_once(
    build_lanes: Callable[[], NumberedLanes], build_limiter: Callable[[], SoleLimiter], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = SlowGraph()

    async def send_all() -> None:
        loop, _ = build_replica(monkeypatch, build_lanes(), build_limiter(), graph, LossMeter())
        running = asyncio.create_task(loop.run(0))
        await asyncio.sleep(ENOUGH_SECONDS)
        loop.stop()
        await running

    assert run(send_all()) == ["send_loop_failed"]
    assert [claim.number for claim in graph.sent] == list(NUMBERS)


@dataclass
class FailingLedger:
    """A ledger that keeps what it was told, and breaks once if so wished."""

    failure: FailsOnce = field(default_factory=lambda: FailsOnce(has_failed=True))
    records: list[Record] = field(default_factory=list)

    async def record(self, records: Sequence[Record]) -> None:
        self.failure.check()
        self.records.extend(records)


def build_recorder(ledger: FailingLedger) -> Recorder:
    return Recorder(cast(Ledger, ledger), Metrics(CollectorRegistry(), limit=80))


def give(record: Record) -> Callable[[], Record]:
    return lambda: record


async def record_all(recorder: Recorder, results: Iterable[Callable[[], Record]]) -> None:
    running = asyncio.create_task(recorder.run())
    for result in results:
        recorder.add(result)
    async with asyncio.timeout(ENOUGH_SECONDS):
        await recorder.idle.wait()
    running.cancel()


def test_results_are_recorded_once_though_one_cannot_be_built_and_recording_fails() -> None:
    ledger, results = FailingLedger(FailsOnce()), [Record(uuid4(), 1, DeliveryState.ACCEPTED) for _ in range(5)]

    def fail() -> Record:
        raise Unforeseen

    async def story() -> None:
        await record_all(build_recorder(ledger), [give(results[0]), fail, *map(give, results[1:])])

    assert sorted(run(story())) == ["recording_failed", "result_unusable"]
    assert ledger.records == results


def test_an_answer_that_cannot_be_applied_is_recorded_and_the_next_one_is_applied() -> None:
    ledger, limiter = FailingLedger(), Mock(pause=AsyncMock(side_effect=[Unforeseen, False]), read_clock=lambda: NOW)
    claims = [build_reply_claim(delivery=uuid4(), broadcast=None) for _ in range(2)]
    meter = Metrics(CollectorRegistry(), limit=80)

    async def story() -> None:
        recorder, pauses = build_recorder(ledger), Pauses(NOTHING, limiter, meter)
        graph = cast(Any, SayingGraph(ErrorResponse(131031, 403)))
        sender = Sender(graph, NOTHING, pauses, limiter, recorder, meter, max_requests=2, timeout=20)
        for claim in claims:
            sender.start(claim)
            await asyncio.sleep(1)
        assert sender.free_requests == 2
        await record_all(recorder, [])

    assert run(story()) == ["answer_not_applied"]
    assert [each.args[0] for each in limiter.pause.await_args_list] == ["Konto gesperrt, Code 131031"] * 2
    assert [(one.delivery, one.state) for one in ledger.records] == [
        (claim.delivery, DeliveryState.WAITING) for claim in claims
    ]
