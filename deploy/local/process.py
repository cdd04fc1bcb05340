"""Child processes that never outlive us, and progress reports."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path

from deploy import LocalError
from deploy.local.system_user import SystemUser

LAUNCHER = Path(__file__).with_name("launcher.py")
POLL_INTERVAL_SECONDS, MAX_POLL_INTERVAL_SECONDS = 0.03, 0.2
LOG_TAIL_LINES = 15
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command and how to run it; the child receives `death_signal` if we die without having stopped it."""

    name: str
    arguments: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    folder: Path = Path("/")
    account: SystemUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL

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
        with open_log(command.log) as log:
            self._process = await asyncio.create_subprocess_exec(
                *command.build_arguments(),
                stdin=asyncio.subprocess.DEVNULL,
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
                _raise_if_ended(child)
                await asyncio.sleep(pause)
                pause = min(MAX_POLL_INTERVAL_SECONDS, 1.1 * pause)
    except TimeoutError:
        tail = read_log_tail(child.command.log)
        raise LocalError(f"{child.name} was not ready after {seconds:g} s.{tail}") from None


def _raise_if_ended(child: Child) -> None:
    if child.pid is None:
        raise LocalError(f"{child.name} ended while starting.{read_log_tail(child.command.log)}")


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
