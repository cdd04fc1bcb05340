"""One of our own processes, with its readiness probe."""

import aiohttp

from deploy.local.process import Child, Command, wait_until_ready

READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 25  # longer than a service's own drain deadline


class Service(Child):
    """A process whose `ready_url` answers 200 once it is ready."""

    def __init__(self, command: Command, ready_url: str) -> None:
        super().__init__(command)
        self._ready_url = ready_url

    async def launch(self) -> None:
        """Start the process without waiting until it is ready."""
        await super().start()

    async def start(self) -> None:
        await self.launch()
        await wait_until_ready(self, self.is_ready, seconds=READY_TIMEOUT_SECONDS)

    async def stop(self, seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        await super().stop(seconds)

    async def is_ready(self) -> bool:
        """Return whether the probe succeeds now."""
        timeout = aiohttp.ClientTimeout(total=3)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._ready_url) as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False
