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
    """The expected count was not reached; the text names it and the progress made."""


class ProgressCount(NamedTuple):
    """Progress of something; `words` describe it."""

    done: int
    goal: int
    words: str


async def wait_for(label: str, goal: int, count_done: Callable[[], Awaitable[int]], *, patience: float) -> None:
    """Wait until `count_done` returns `goal`. Raises NoProgressError after `patience` seconds without a change."""

    async def measure() -> ProgressCount:
        done = await count_done()
        return ProgressCount(done, goal, f"{done} of {goal}")

    await watch_count(label, measure, patience)


async def watch_count(label: str, measure: Callable[[], Awaitable[ProgressCount]], patience: float) -> None:
    """Wait until it is done. Raises NoProgressError after `patience` seconds without a change."""
    with build_bars(progress.TimeElapsedColumn()) as bars:
        task = bars.add_task(label, total=None)
        current: ProgressCount | None = None
        changed_at, printed_at = time.monotonic(), 0.0
        while current is None or current.done < current.goal:
            previous, current = current, await measure()
            bars.update(task, completed=current.done, total=current.goal)
            now = time.monotonic()
            changed_at = now if previous is None or current.words != previous.words else changed_at
            if now - changed_at > patience:
                raise NoProgressError(f"{label}: {current.words}, and nothing has moved for {patience:.0f} s")
            if not console.is_terminal and (now - printed_at >= PRINT_INTERVAL_SECONDS or current.done >= current.goal):
                note(f"  {label}: {current.words}")
                printed_at = now
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
