"""A stalled process knows when and for how long."""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator

from shared.runtime.background import run_in_background
from simulator.clock import StallWatch


async def watched(step: float, looks: int) -> StallWatch:
    """A watch whose clock goes on by `step` seconds from one look to the next."""
    enough = asyncio.Event()

    def times() -> Iterator[float]:
        for look in itertools.count():
            if look >= 2 * looks:
                enough.set()
            yield look * step

    moments = times()
    watch = StallWatch(lambda: next(moments))
    async with run_in_background(watch.run()):
        await enough.wait()
    return watch


async def test_a_late_wake_up_is_a_stall_that_ended_now() -> None:
    watch = await watched(0.5, 3)
    assert [stall.ended_at for stall in list(watch.stalls)[:3]] == [0.5, 1.5, 2.5]
    assert all(0.48 < stall.seconds < 0.5 for stall in watch.stalls)


async def test_being_in_time_is_none() -> None:
    assert (await watched(0.012, 5)).stalls == deque()
