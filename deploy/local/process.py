"""Child processes that never outlive us, their supervision, concurrent steps, and progress reports."""

import asyncio
import fcntl
import os
import pwd
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from deploy import LocalError
from deploy.paths import ROOT

LAUNCHER = Path(__file__).with_name("launcher.py")
POLL_INTERVAL_SECONDS, MAX_POLL_INTERVAL_SECONDS = 0.03, 0.2
LOG_TAIL_LINES = 15
MIN_RESTART_DELAY_SECONDS = 0.1
MAX_RESTART_DELAY_SECONDS = 5.0
MIN_HEALTHY_SECONDS = 10.0
INSTALL_LOCK = ROOT / ".local" / "install.lock"
SystemUser = pwd.struct_passwd
Progress = Callable[[str], None]
First = TypeVar("First")
Second = TypeVar("Second")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command and how to run it; the child receives `death_signal` if we die without having stopped it."""

    name: str
    arguments: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    folder: Path = Path("/")
    input: Path | None = None
    account: SystemUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL

    def open_input(self) -> BinaryIO:
        return open(self.input or os.devnull, "rb")

    def build_arguments(self) -> list[str]:
        user = (self.account.pw_uid, self.account.pw_gid) if self.account else (-1, -1)
        numbers = [str(number) for number in (os.getpid(), int(self.death_signal), *user)]
        return [sys.executable, "-I", "-S", str(LAUNCHER), *numbers, *self.arguments]


class Child:
    """The process of a command; it may be started again after it has ended."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        return self.command.name

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        command = self.command
        with open_log(command.log) as log, command.open_input() as standard_input:
            self._process = await asyncio.create_subprocess_exec(
                *command.build_arguments(),
                stdin=standard_input,
                stdout=log,
                stderr=log,
                cwd=command.folder,
                env=dict(command.environment),
                start_new_session=True,  # Ctrl-C at the terminal is for us; we stop the children in order
            )

    async def wait(self) -> int:
        """Return the exit status, negative for a signal, as in `subprocess`."""
        if self._process is None:
            raise LocalError(f"{self.name} was never started")
        return await self._process.wait()

    def kill(self) -> None:
        self._send_signal(signal.SIGKILL)

    async def stop(self, seconds: float = 20) -> None:
        """Ask the process to stop, and kill it after `seconds`."""
        if self._process is None:
            return
        self._send_signal(self.command.stop_signal)
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        except asyncio.CancelledError:
            self.kill()
            raise

    def _send_signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            # It may have ended before the loop knows. `Process.send_signal` would poll and thereby take the exit status
            # away from the loop (Python 3.11).
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


async def wait_until_ready(child: Child, check: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
    """Wait until `check` returns True; raise LocalError with the end of the log if the child ends.

    The checks become rarer, as each takes CPU time from the starting process.
    """
    pause = POLL_INTERVAL_SECONDS
    try:
        async with asyncio.timeout(seconds):
            while not await check():
                if child.pid is None:
                    raise LocalError(f"{child.name} ended while starting.{read_log_tail(child.command.log)}")
                await asyncio.sleep(pause)
                pause = min(MAX_POLL_INTERVAL_SECONDS, 1.1 * pause)
    except TimeoutError:
        tail = read_log_tail(child.command.log)
        raise LocalError(f"{child.name} was not ready after {seconds:g} s.{tail}") from None


async def run_to_end(command: Command) -> None:
    """Run a command until it ends; raise LocalError with the end of its log unless it succeeds."""
    child = Child(command)
    await child.start()
    try:
        status = await child.wait()
    finally:
        child.kill()
    if status != 0:
        raise LocalError(f"{command.name} failed with status {status}.{read_log_tail(command.log)}")


async def read_output(title: str, *arguments: str, environment: Mapping[str, str]) -> str:
    """Run a program, and return its output. Raises LocalError, with the output, if it fails."""
    process = await asyncio.create_subprocess_exec(
        *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise LocalError(f"{title} failed: {output.decode().strip()}")
    return output.decode()


async def is_port_open(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def open_log(path: Path) -> BufferedWriter:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def read_log_tail(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if path.exists() else []
    return "\n".join([f" Its log ({path}) ends with:", *lines]) if lines else f" Its log is {path}."


def ignore_progress(_: str) -> None:
    pass


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


async def enter_both(
    stack: AsyncExitStack,
    first: AbstractAsyncContextManager[First],
    second: AbstractAsyncContextManager[Second],
) -> tuple[First, Second]:
    async with _raise_first_failure() as group:
        tasks = (
            group.create_task(stack.enter_async_context(first)),
            group.create_task(stack.enter_async_context(second)),
        )
    return tasks[0].result(), tasks[1].result()


async def run_together(*steps: Coroutine[Any, Any, None]) -> None:
    async with _raise_first_failure() as group:
        for step in steps:
            group.create_task(step)


@asynccontextmanager
async def _raise_first_failure() -> AsyncIterator[asyncio.TaskGroup]:
    """Run tasks together, and raise the first failure instead of an exception group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as failures:
        raise find_first_failure(failures) from None


def find_first_failure(failures: ExceptionGroup[Exception]) -> Exception:
    """Return the first LocalError, which has a message for the person at the terminal, or else the first failure."""
    explained, _ = failures.split(LocalError)
    inner = (explained or failures).exceptions[0]
    return find_first_failure(inner) if isinstance(inner, ExceptionGroup) else inner


@asynccontextmanager
async def hold_install_lock() -> AsyncIterator[None]:
    """Wait for the lock and hold it, as an installation runs alone; the kernel releases it if we die."""
    INSTALL_LOCK.parent.mkdir(parents=True, exist_ok=True)
    with INSTALL_LOCK.open("a") as file:
        await asyncio.to_thread(fcntl.flock, file, fcntl.LOCK_EX)
        yield
