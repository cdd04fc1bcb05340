"""What has to be done from time to time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from shared.outcome import DependencyAway
from shared.runtime.clock import Clock

# Meta repeats a webhook for up to seven days.
INBOX_KEPT = timedelta(days=9)
FORGET_EVERY_SECONDS = 60.0
REFRESH_EVERY_SECONDS = 15.0

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Forgets handled messages in small steps. `forget` returns how many were older than the moment it gets."""

    forget: Callable[[datetime], Awaitable[int]]
    clock: Clock

    async def run(self) -> None:
        """Step by step until nothing is left to forget."""
        forgotten = 0
        while step := await self.forget(self.clock() - INBOX_KEPT):
            forgotten += step
        if forgotten:
            _log.info("inbox_forgotten", messages=forgotten)


async def repeat(action: Callable[[], Awaitable[None]], seconds: float) -> None:
    """For ever; a dependency that is away is waited for until the next time."""
    while True:
        try:
            await action()
        except DependencyAway as error:
            _log.warning("upkeep_waits", reason=str(error))
        await asyncio.sleep(seconds)
