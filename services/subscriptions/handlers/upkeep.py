"""What has to be done from time to time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from shared.outcome import DependencyAway

FORGET_EVERY_SECONDS = 60.0
REFRESH_EVERY_SECONDS = 15.0

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One kind of data that is not kept for ever. `forget` deletes a small step and returns how many."""

    name: str
    forget: Callable[[], Awaitable[int]]


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Forgets in small steps; `count` gets how many of which kind."""

    rules: Sequence[Rule]
    count: Callable[[str, int], None]

    async def run(self) -> None:
        """Step by step until nothing is left to forget."""
        for rule in self.rules:
            forgotten = 0
            while step := await rule.forget():
                forgotten += step
                self.count(rule.name, step)
            if forgotten:
                _log.info("forgotten", kind=rule.name, rows=forgotten)


async def repeat(action: Callable[[], Awaitable[None]], seconds: float) -> None:
    """For ever; a dependency that is away is waited for until the next time."""
    while True:
        try:
            await action()
        except DependencyAway as error:
            _log.warning("upkeep_waits", reason=str(error))
        await asyncio.sleep(seconds)
