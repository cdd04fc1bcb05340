"""Waiting for a number that goes down."""

from collections.abc import Awaitable, Callable

from cli.progress import ProgressCount, watch_count


async def wait_until_gone(what: str, left: Callable[[], Awaitable[int | None]], *, patience: float) -> None:
    """Wait until nothing is `left`; None means unknown just now. Raises NoProgressError as `wait_for`.

    Only a new minimum counts as a change; otherwise a number that goes up and down would be awaited for ever.
    """
    most = 0
    least: int | None = None

    async def look() -> ProgressCount:
        nonlocal most, least
        now = await left()
        if now is not None:
            most, least = max(most, now), now if least is None else min(least, now)
        if least is None:
            return ProgressCount(0, 1, "not known how many are left")
        return ProgressCount(most - least, most, f"{least} left")

    await watch_count(what, look, patience)
