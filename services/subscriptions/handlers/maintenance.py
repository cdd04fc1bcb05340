"""What has to be done from time to time."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared.outcome import DependencyUnavailable

RETENTION_INTERVAL_SECONDS = 60.0
METRICS_INTERVAL_SECONDS = 15.0

_log = structlog.get_logger()


async def repeat(action: Callable[[], Awaitable[None]], seconds: float) -> None:
    """For ever; a dependency that is away is waited for until the next time."""
    while True:
        try:
            await action()
        except DependencyUnavailable as error:
            _log.warning("maintenance_waits", reason=str(error))
        await asyncio.sleep(seconds)
