"""Work that goes on beside other work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import structlog

from shared.outcome import DependencyUnavailable

_log = structlog.get_logger()


@asynccontextmanager
async def run_in_background(*works: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run these until the block ends, then cancel them. What one raises ends the block, in a group."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work) for work in works]
        yield
        for task in running:
            task.cancel()


async def repeat(action: Callable[[], Awaitable[object]], seconds: float, needed: asyncio.Event | None = None) -> None:
    """Do it for ever, with a pause after each time, and only when it is `needed`; what fails costs one turn."""
    while True:
        if needed:
            await needed.wait()
            needed.clear()
        try:
            await action()
        except DependencyUnavailable as error:
            _log.warning("dependency_unavailable", error=str(error))
        except Exception:  # a bug in one round is seen, and the next round may work
            _log.exception("repeated_action_failed")
        await asyncio.sleep(seconds)
