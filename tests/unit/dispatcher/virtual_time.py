"""The send loop in time that passes only while it would wait."""

import asyncio
import selectors
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from services.dispatcher.adapters.metrics import Metrics
from services.dispatcher.handlers.send_loop import SendLoop

Result = TypeVar("Result")


class VirtualSelector(selectors.DefaultSelector):
    """A selector that does not wait, and adds the time instead."""

    now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        found: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes while it would wait, and then only."""

    def __init__(self) -> None:
        self.selector = VirtualSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now


def read_time() -> float:
    return asyncio.get_running_loop().time()


def run_virtually(story: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


def build_loop(lanes: Any, limiter: Any, sender: Any, meter: Any = None) -> SendLoop:
    """Put a loop together from fakes that do what it needs."""
    metrics = Metrics(CollectorRegistry(), limit=10) if meter is None else meter
    return SendLoop(lanes=lanes, limiter=limiter, sender=sender, meter=metrics)


async def run_until(loop: SendLoop, happens: Awaitable[object], seconds: float) -> None:
    """Run the loop until that has happened, which takes so long at most, and then stop it."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(loop.run(0))
        async with asyncio.timeout(seconds):
            await happens
        loop.stop()
        await running
