"""One of our own processes, with its readiness probe."""

import aiohttp

from deploy.local.process import Child, Command, wait_until_ready

READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 25  # longer than a service's own drain deadline


class Service:
    """A process whose `ready_url` answers 200 once it is ready."""

    def __init__(self, command: Command, ready_url: str) -> None:
        self._child = Child(command)
        self._ready_url = ready_url

    @property
    def name(self) -> str:
        return self._child.name

    @property
    def command(self) -> Command:
        return self._child.command

    @property
    def pid(self) -> int | None:
        return self._child.pid

    async def launch(self) -> None:
        """Start the process without waiting until it is ready."""
        await self._child.start()

    async def start(self) -> None:
        await self.launch()
        await wait_until_ready(self._child, self.is_ready, seconds=READY_TIMEOUT_SECONDS)

    async def wait(self) -> int:
        return await self._child.wait()

    def kill(self) -> None:
        self._child.kill()

    async def stop(self, seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        await self._child.stop(seconds)

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
