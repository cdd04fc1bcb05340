"""A command that runs until it ends by itself or is asked to."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.local.environments import filter_inherited
from deploy.paths import ROOT

START_TIMEOUT_SECONDS = 90
END_TIMEOUT_SECONDS = 60


def _enable_interrupts() -> None:
    """What a shell starts with `&` ignores them, and so would we, if the tests were started like that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@asynccontextmanager
async def run_command(*arguments: str) -> AsyncIterator[Process]:
    """Ended at the end, if it still runs then; what it started ends with it."""
    command, environment = (sys.executable, "-m", "cli.main", *arguments), filter_inherited(os.environ)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE, preexec_fn=_enable_interrupts
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await process.communicate()


async def read_lines_until(process: Process, last: str) -> list[str]:
    """Return what it prints, up to the line that begins with `last`."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(START_TIMEOUT_SECONDS):
        while not (lines and lines[-1].startswith(last)):
            line = await process.stdout.readline()
            assert line, f"ended after {lines}: {(await process.communicate())[1].decode()}"
            lines.append(line.decode().rstrip())
    return lines
