"""Supervision of processes: restart those that end without having been stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from deploy import LocalError
from deploy.local.concurrency import run_together
from deploy.local.process import Child, Progress, ignore_progress

MIN_RESTART_DELAY_SECONDS = 0.1
MAX_RESTART_DELAY_SECONDS = 5.0
MIN_HEALTHY_SECONDS = 10.0


@dataclass(eq=False)
class Member:
    child: Child
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    watch: asyncio.Task[None] | None = None
    restarts: int = 0


def compute_restart_delay(quick_exits: int) -> float:
    """Return the seconds to wait after `quick_exits` exits in a row, each soon after the start."""
    return min(MAX_RESTART_DELAY_SECONDS, MIN_RESTART_DELAY_SECONDS * 2.0 ** min(quick_exits, 16))


class Supervisor:
    """Supervisor of processes; use it through `run_supervisor`, which stops all of them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._batches: list[list[Member]] = []
        self._members: dict[str, Member] = {}

    @property
    def restarts(self) -> dict[str, int]:
        return {name: member.restarts for name, member in self._members.items()}

    async def start(self, *children: Child) -> None:
        """Start all of them concurrently, and supervise them once all are ready."""
        batch = self._register(*children)
        await run_together(*(self._start_member(member) for member in batch))

    def _register(self, *children: Child) -> list[Member]:
        batch = [Member(child) for child in children]
        self._batches.append(batch)
        self._members |= {member.child.name: member for member in batch}
        return batch

    def watch_running(self, *children: Child) -> None:
        for member in self._register(*children):
            self._mark_running(member)

    def kill(self, name: str) -> None:
        """Send SIGKILL; the process is restarted as after any other end."""
        member = self._members[name]
        member.ready.clear()
        member.child.kill()

    def find(self, name: str) -> Child:
        return self._members[name].child

    async def wait_until_ready(self, name: str) -> None:
        await self._members[name].ready.wait()

    async def stop_one(self, name: str) -> None:
        """Stop a process and leave it stopped, until `start_one`."""
        member = self._members[name]
        await _stop_watching(member)
        await member.child.stop()

    async def start_one(self, name: str) -> None:
        await self._start_member(self._members[name])

    async def stop(self) -> None:
        """Stop all processes in reverse order of their start; those started together stop together."""
        await asyncio.gather(*(_stop_watching(member) for member in self._members.values()))
        try:
            for batch in reversed(self._batches):
                await run_together(*(member.child.stop() for member in batch))
        except asyncio.CancelledError:
            for member in self._members.values():
                member.child.kill()  # cancelled while stopping: do not wait any longer
            raise

    async def _start_member(self, member: Member) -> None:
        await member.child.start()
        self._mark_running(member)

    def _mark_running(self, member: Member) -> None:
        member.ready.set()
        member.watch = asyncio.create_task(self._watch(member), name=f"watch {member.child.name}")

    async def _watch(self, member: Member) -> None:
        clock, quick_exits = asyncio.get_running_loop().time, 0
        while True:
            started = clock()
            status = await member.child.wait()
            member.ready.clear()
            member.restarts += 1
            self._progress(f"{member.child.name} ended with status {status}, starting it again")
            quick_exits = 0 if clock() - started > MIN_HEALTHY_SECONDS else quick_exits + 1
            await asyncio.sleep(compute_restart_delay(quick_exits - 1))
            await self._restart(member)

    async def _restart(self, member: Member) -> None:
        try:
            await member.child.start()
        except LocalError:
            self._progress(f"{member.child.name} did not become ready (see its log), trying again")
            member.child.kill()  # if it still runs, `wait` has to return
        else:
            member.ready.set()


async def _stop_watching(member: Member) -> None:
    member.ready.clear()
    if member.watch is not None:
        member.watch.cancel()
        await asyncio.wait([member.watch])
        member.watch = None


@asynccontextmanager
async def run_supervisor(progress: Progress = ignore_progress) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(progress)
    try:
        yield supervisor
    finally:
        await supervisor.stop()
