"""Availability of a dependency for this process: other replicas may reach it although this one does not."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from shared.runtime.background import try_once
from shared.runtime.probes import Check

CHECK_INTERVAL_SECONDS = 1.0
PATIENCE_SECONDS = 10.0


class Availability:
    """Exactly one event is set: `lost` once the dependency has not answered for PATIENCE_SECONDS, else `present`."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self.present, self.lost = asyncio.Event(), asyncio.Event()
        self.present.set()

    async def watch(self) -> None:
        """Check forever."""
        answered_at = time.monotonic()
        while True:
            began = time.monotonic()
            if await self._is_answering():
                answered_at = began
                self.lost.clear()
                self.present.set()
            elif began - answered_at >= PATIENCE_SECONDS:
                self.present.clear()
                self.lost.set()
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)

    async def _is_answering(self) -> bool:
        try:
            return await self._check()
        except Exception:  # whatever it raises, there is no answer
            return False

    async def pause_while_lost(self, stop: Callable[[], Awaitable[None]], start: Callable[[], Awaitable[None]]) -> None:
        """Stop what only others can do when the dependency is lost, and start it again when it is back, forever."""
        while True:
            await self.lost.wait()
            await stop()
            await self.present.wait()
            while not await try_once(start, "start_failed"):
                await stop()
                await asyncio.sleep(CHECK_INTERVAL_SECONDS)
