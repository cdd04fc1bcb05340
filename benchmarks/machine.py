"""Cores, processes, and their resource usage."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.local.ports import LOOPBACK
from deploy.local.process import Child, Command, is_port_open, read_log_tail, wait_until_ready
from deploy.paths import ROOT

CORES = sorted(os.sched_getaffinity(0))
TESTED_CORE, OTHER_CORE = CORES[0], CORES[-1]
READY_TIMEOUT_SECONDS, STOP_TIMEOUT_SECONDS = 60, 5


@dataclass(frozen=True)
class Usage:
    """Processor seconds so far and resident bytes now, of a process and its descendants."""

    processor: float
    memory: int


def measure_usage(pid: int) -> Usage:
    process = psutil.Process(pid)
    processor, memory = 0.0, 0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        processor += times.user + times.system
        memory += one.memory_info().rss
    return Usage(processor, memory)


def build_command(
    name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str], core: int | None = None
) -> Command:
    """Return a command that is started in the repository, pinned to `core` if given."""
    pin = () if core is None else (sys.executable, "-m", "benchmarks.dispatch.pinned", str(core))
    return Command(
        name=name,
        arguments=(*pin, *arguments),
        log=log,
        environment={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **environment},
        folder=ROOT,
    )


def leave_tested_core() -> None:
    """Keep this process, and those it starts, off the core of what is tested; a machine with one core has no other."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, set(CORES) - {TESTED_CORE})


def require_pid(child: Child) -> int:
    """Return the process id; end the benchmark if the process has ended."""
    if child.pid is None:
        raise SystemExit(f"{child.name} ended.{read_log_tail(child.command.log)}")
    return child.pid


@asynccontextmanager
async def run_process(
    child_command: Command, *, port: int | None = None, stop_seconds: float = STOP_TIMEOUT_SECONDS
) -> AsyncIterator[Child]:
    """Run a process and stop it at the end; yield it once it listens on `port`, if it has one."""
    child = Child(child_command)
    await child.start()
    pid = require_pid(child)
    try:
        if port is not None:
            await wait_until_ready(child, lambda: is_port_open(LOOPBACK, port), seconds=READY_TIMEOUT_SECONDS)
        yield child
    finally:
        await child.stop(stop_seconds)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # pools of processes do not all end with their parent
