"""What the send loop does with the messages in its hands while sending is paused."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.domain.pacing import Lease
from services.dispatcher.handlers.lanes import Lanes
from services.dispatcher.handlers.send_loop import LANES_CLOSE_DELAY_SECONDS, SendLoop
from services.dispatcher.handlers.sender import Sender
from services.dispatcher.ports import RateLimiter
from shared.contracts.message import Lane
from tests.servers import WAIT_TIMEOUT_SECONDS

NOTHING: Any = None


@dataclass
class FakeLaneQueue:
    """A lane with one message, and the times at which it was opened or closed."""

    limiter: "FakeLimiter"
    waiting: int = 1
    changes: list[tuple[str, float]] = field(default_factory=list)

    def take(self) -> None:
        raise AssertionError("there is no slot")

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
        return Lease(start=self.now, spacing=0.1, slots=0, paused_reason=None if is_over else "a test")


async def test_lanes_are_closed_in_a_long_pause_only_and_opened_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    delay = LANES_CLOSE_DELAY_SECONDS
    limiter = FakeLimiter([5.0, 5.0 + delay, 6.0 + delay, 9.0 + delay, 20.0 + delay])
    queues = {lane: FakeLaneQueue(limiter) for lane in Lane}
    lanes = Lanes(ledger=NOTHING, queues=cast(Any, queues), prepare=lambda _: None, wake=asyncio.Event())
    meter, shared = Metrics(CollectorRegistry(), limit=10), cast(RateLimiter, limiter)
    sender = Sender(NOTHING, lanes, NOTHING, shared, NOTHING, meter, max_requests=10, timeout=20)
    loop = SendLoop(lanes=lanes, limiter=shared, sender=sender, meter=meter)
    monkeypatch.setattr(SendLoop, "_read_clock", lambda _: limiter.now)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(loop.run(0))
        await limiter.over.wait()
        loop.stop()
        await running
    expected = [("closed", 6.0 + delay), ("opened", 20.0 + delay)]
    assert [queue.changes for queue in queues.values()] == [expected] * len(Lane)
