"""Waiting with a bar on a terminal, and with a line now and then elsewhere."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.output import console

LOOK_SECONDS = 0.2
LINE_SECONDS = 5.0


class NothingMovesError(Exception):
    """What was waited for did not come; the text says what, and how far it came."""


async def wait_for(what: str, goal: int, reached: Callable[[], Awaitable[int]], *, patience: float) -> None:
    """Wait until `reached` is `goal`. Raises NothingMovesError after `patience` seconds without a change."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=goal)
        count, moved, told = -1, time.monotonic(), 0.0
        while count < goal:
            before, count = count, await reached()
            bars.update(task, completed=count)
            now = time.monotonic()
            moved = now if count != before else moved
            if now - moved > patience:
                raise NothingMovesError(f"{what}: {count} of {goal}, and nothing has moved for {patience:.0f} s")
            told = _tell(what, count, goal, told, now)
            await asyncio.sleep(LOOK_SECONDS)


def _tell(what: str, count: int, goal: int, told: float, now: float) -> float:
    if console.is_terminal or (now - told < LINE_SECONDS and count < goal):
        return told
    console.print(f"  {what}: {count} of {goal}", markup=False)
    return now
