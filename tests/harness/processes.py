"""Start and inspect real processes."""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from aiohttp import ClientError, ClientSession

from deploy.local.process import Child, Command, wait_until_ready
from deploy.paths import ROOT
from tests.servers import WAIT_TIMEOUT_SECONDS


@dataclass(frozen=True, kw_only=True)
class ServiceProcess:
    """A service of ours as a process; `log` is all of its output."""

    internal_url: str
    child: Child = field(repr=False)

    @property
    def log(self) -> str:
        return self.child.command.log.read_text()

    async def is_ready(self) -> bool:
        async with ClientSession() as session:
            return await is_ok(session, f"{self.internal_url}/readyz")

    async def fetch_metrics(self) -> str:
        async with ClientSession() as session, session.get(f"{self.internal_url}/metrics") as response:
            return await response.text()

    async def fetch_metric(self, series: str) -> float:
        """Return the value of a series, written as in the exposition."""
        lines = (await self.fetch_metrics()).splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} "))


def build_service_command(module: str, log: Path, environment: Mapping[str, str]) -> Command:
    """Return the command of a service that is named after its log and knows only this environment."""
    return Command(
        name=log.stem,
        arguments=(sys.executable, "-m", f"services.{module}"),
        log=log,
        environment={"PATH": os.environ["PATH"], **environment},
        folder=ROOT,
    )


@asynccontextmanager
async def run_child(child: Child, is_ready: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    """Start the child, wait until it is ready, and stop it at the end."""
    await child.start()
    try:
        await wait_until_ready(child, is_ready, seconds=WAIT_TIMEOUT_SECONDS)
        yield
    finally:
        await child.stop()


async def is_ok(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except ClientError:
        return False


def is_alive(pid: int | None) -> bool:
    """Return whether the process runs; a zombie does not, even if its parent has not reaped it yet."""
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def list_processes(folder: Path) -> list[str]:
    """Return the command lines that mention a folder or run in it: each process of our servers does one of both."""
    own_pid = psutil.Process().pid
    lines = []
    for process in psutil.process_iter(["pid", "status", "cmdline", "cwd"]):
        line = " ".join([*(process.info["cmdline"] or []), process.info["cwd"] or ""])
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if str(folder) in line and alive and process.info["pid"] != own_pid:
            lines.append(line)
    return lines
