"""Reports of slots that were used late, so that all replicas delay the slots a second later."""

import asyncio
from dataclasses import dataclass, field

import pytest

from services.dispatcher.domain.pacing import MAX_SLOT_DELAY_SECONDS, SLOT_TOLERANCE_SECONDS, LateUse, Lease
from services.dispatcher.handlers import sender as sender_module
from tests.unit.dispatcher.test_full_requests import EndlessLanes, LossMeter, SlowSender, SoleLimiter
from tests.unit.dispatcher.virtual_time import build_loop, read_time, run_virtually


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
