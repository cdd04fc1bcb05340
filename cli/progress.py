"""Progress bars on a terminal, and waiting for a count: elsewhere with a line every few seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rich import progress

from cli.output import console, note

POLL_INTERVAL_SECONDS = 0.2
PRINT_INTERVAL_SECONDS = 5.0


def build_bars(timing: progress.ProgressColumn | None = None, **options: Any) -> progress.Progress:
    """Return bars of counts, which are shown on a terminal only; usually with the remaining time."""
    count = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn())
    columns = (*count, timing or progress.TimeRemainingColumn())
    return progress.Progress(*columns, console=console, disable=not console.is_terminal, **options)


class NoProgressError(Exception):
    """The expected count was not reached; the text names it and says how far it came."""


class ProgressCount(NamedTuple):
    """Progress of something; `words` describe it."""

    done: int
    goal: int
    words: str


async def wait_for(what: str, goal: int, reached: Callable[[], Awaitable[int]], *, patience: float) -> None:
    """Wait until `reached` is `goal`. Raises NoProgressError after `patience` seconds without a change."""

    async def look() -> ProgressCount:
        count = await reached()
        return ProgressCount(count, goal, f"{count} of {goal}")

    await watch_count(what, look, patience)


async def watch_count(what: str, look: Callable[[], Awaitable[ProgressCount]], patience: float) -> None:
    """Wait until it is done. Raises NoProgressError after `patience` seconds without a change."""
    with build_bars(progress.TimeElapsedColumn()) as bars:
        task = bars.add_task(what, total=None)
        standing: ProgressCount | None = None
        moved, told = time.monotonic(), 0.0
        while standing is None or standing.done < standing.goal:
            before, standing = standing, await look()
            bars.update(task, completed=standing.done, total=standing.goal)
            now = time.monotonic()
            moved = now if before is None or standing.words != before.words else moved
            if now - moved > patience:
                raise NoProgressError(f"{what}: {standing.words}, and nothing has moved for {patience:.0f} s")
            if not console.is_terminal and (now - told >= PRINT_INTERVAL_SECONDS or standing.done >= standing.goal):
                note(f"  {what}: {standing.words}")
                told = now
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
