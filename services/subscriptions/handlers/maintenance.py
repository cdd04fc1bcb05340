"""Periodic maintenance."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared.outcome import DependencyUnavailable

RETENTION_INTERVAL_SECONDS = 60.0
METRICS_INTERVAL_SECONDS = 15.0

_log = structlog.get_logger()


async def repeat(action: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Repeat an action for ever; if a dependency is unavailable, try again after the same interval."""
    while True:
        try:
            await action()
        except DependencyUnavailable as error:
            _log.warning("maintenance_waits", reason=str(error))
        await asyncio.sleep(seconds)
