"""Waiting for a number that decreases to 0."""

from collections.abc import Awaitable, Callable

from cli.progress import ProgressCount, watch_count


async def wait_until_gone(label: str, count_left: Callable[[], Awaitable[int | None]], *, patience: float) -> None:
    """Wait until `count_left` returns 0; None means unknown at present. Raises NoProgressError like `wait_for`.

    Only a new minimum counts as a change; else a fluctuating number would be awaited forever.
    """
    most = 0
    least: int | None = None

    async def measure() -> ProgressCount:
        nonlocal most, least
        count = await count_left()
        if count is not None:
            most, least = max(most, count), count if least is None else min(least, count)
        if least is None:
            return ProgressCount(0, 1, "not known how many are left")
        return ProgressCount(most - least, most, f"{least} left")

    await watch_count(label, measure, patience)
