"""Supervision of processes: restarts those that end without having been stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from deploy.local.concurrency import run_together
from deploy.local.errors import LocalError
from deploy.local.process import Progress, ignore_progress

MIN_RESTART_DELAY_SECONDS = 0.1
MAX_RESTART_DELAY_SECONDS = 5.0
MIN_HEALTHY_SECONDS = 10.0


class Runnable(Protocol):
    """A process, or a server that consists of several."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None:
        """Process id, or None while it does not run."""
        ...

    async def start(self) -> None:
        """Return when it is ready. Raises LocalError if it ends instead, or takes too long."""

    async def wait(self) -> int:
        """Return its exit status when it has ended."""
        ...

    def kill(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(eq=False)
class Member:
    runnable: Runnable
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    watch: asyncio.Task[None] | None = None
    restarts: int = 0


def compute_restart_delay(quick_ends: int) -> float:
    """Return the seconds to wait after `quick_ends` ends in a row that each came soon after the start."""
    return min(MAX_RESTART_DELAY_SECONDS, MIN_RESTART_DELAY_SECONDS * 2.0 ** min(quick_ends, 16))


class Supervisor:
    """Supervisor of processes; use it through `run_supervisor`, which stops all of them."""

    def __init__(self, tell: Progress) -> None:
        self._tell = tell
        self._batches: list[list[Member]] = []
        self._members: dict[str, Member] = {}

    @property
    def restarts(self) -> dict[str, int]:
        return {name: member.restarts for name, member in self._members.items()}

    async def start(self, *runnables: Runnable) -> None:
        """Start all of them concurrently, and supervise them once all are ready."""
        batch = self.watch(*runnables)
        await run_together(*(self._start_member(member) for member in batch))

    def watch(self, *runnables: Runnable) -> list[Member]:
        """Register processes that others started, or that `start_one` will start."""
        batch = [Member(runnable) for runnable in runnables]
        self._batches.append(batch)
        self._members |= {member.runnable.name: member for member in batch}
        return batch

    def watch_running(self, *runnables: Runnable) -> None:
        """Supervise processes that are already running."""
        for member in self.watch(*runnables):
            self._mark_running(member)

    def kill(self, name: str) -> None:
        """Send SIGKILL; the process is restarted as after any other end."""
        member = self._members[name]
        member.ready.clear()
        member.runnable.kill()

    def find(self, name: str) -> Runnable:
        return self._members[name].runnable

    async def wait_until_ready(self, name: str) -> None:
        await self._members[name].ready.wait()

    async def stop_one(self, name: str) -> None:
        """Stop a process and leave it stopped, until `start_one`."""
        member = self._members[name]
        await _stop_watching(member)
        await member.runnable.stop()

    async def start_one(self, name: str) -> None:
        await self._start_member(self._members[name])

    async def stop(self) -> None:
        """Stop all in reverse order of their starts; those that were started together stop together."""
        await asyncio.gather(*(_stop_watching(member) for member in self._members.values()))
        try:
            for batch in reversed(self._batches):
                await run_together(*(member.runnable.stop() for member in batch))
        except asyncio.CancelledError:
            for member in self._members.values():
                member.runnable.kill()  # cancelled while stopping: do not wait any longer
            raise

    async def _start_member(self, member: Member) -> None:
        await member.runnable.start()
        self._mark_running(member)

    def _mark_running(self, member: Member) -> None:
        member.ready.set()
        member.watch = asyncio.create_task(self._watch(member), name=f"watch {member.runnable.name}")

    async def _watch(self, member: Member) -> None:
        quick_ends = 0
        while True:
            lasted = await self._await_end(member)
            quick_ends = 0 if lasted > MIN_HEALTHY_SECONDS else quick_ends + 1
            await asyncio.sleep(compute_restart_delay(quick_ends - 1))
            await self._restart(member)

    async def _await_end(self, member: Member) -> float:
        clock = asyncio.get_running_loop().time
        started = clock()
        status = await member.runnable.wait()
        member.ready.clear()
        member.restarts += 1
        self._tell(f"{member.runnable.name} ended with status {status}, starting it again")
        return clock() - started

    async def _restart(self, member: Member) -> None:
        try:
            await member.runnable.start()
        except LocalError:
            self._tell(f"{member.runnable.name} did not become ready (its log says why), trying again")
            member.runnable.kill()  # if it runs without becoming ready, `wait` has to return
        else:
            member.ready.set()


async def _stop_watching(member: Member) -> None:
    member.ready.clear()
    if member.watch is not None:
        member.watch.cancel()
        await asyncio.wait([member.watch])
        member.watch = None


@asynccontextmanager
async def run_supervisor(tell: Progress = ignore_progress) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tell)
    try:
        yield supervisor
    finally:
        await supervisor.stop()
