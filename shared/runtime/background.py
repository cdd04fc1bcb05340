"""Background tasks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import structlog

from shared.outcome import DependencyUnavailable

_log = structlog.get_logger()


@asynccontextmanager
async def run_in_background(*coroutines: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run the coroutines until the block ends, then cancel them. An exception in one ends the block, in a group.

    So does a coroutine that ends as cancelled although we did not cancel it: a task group alone would ignore that.
    """
    async with asyncio.TaskGroup() as tasks:

        def check(task: asyncio.Task[None]) -> None:
            if task.cancelled() and not task.cancelling():
                tasks.create_task(_fail(task))

        running = [tasks.create_task(coroutine) for coroutine in coroutines]
        for task in running:
            task.add_done_callback(check)
        yield
        for task in running:
            task.cancel()


async def _fail(task: asyncio.Task[None]) -> None:
    raise RuntimeError(f"cancelled by what it waited for: {task.get_coro()}")


async def wait_until_set(event: asyncio.Event, seconds: float) -> bool:
    """Return True as soon as the event is set; False if it is not within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def try_once(action: Callable[[], Awaitable[object]], failure: str) -> bool:
    """Run the action once and return whether it succeeded. A bug is logged as this `failure`, and ends nothing."""
    try:
        await action()
    except DependencyUnavailable as error:
        _log.warning("dependency_unavailable", error=str(error))
        return False
    except Exception:
        _log.exception(failure)
        return False
    return True


async def repeat(action: Callable[[], Awaitable[object]], seconds: float, needed: asyncio.Event | None = None) -> None:
    """Repeat the action forever, pausing after each run; with `needed`, first wait for it. A failure skips a round."""
    while True:
        if needed:
            await needed.wait()
            needed.clear()
        await try_once(action, "repeated_action_failed")
        await asyncio.sleep(seconds)
