"""Being asked to end: in order the first time, at once the second time."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

PROGRAM = """
import asyncio, sys
from deploy.local.stack import cancel_on_signals

async def main():
    with cancel_on_signals():
        try:
            print("up", flush=True)
            await asyncio.Event().wait()
        finally:
            print("stopping", flush=True)
            if "slow" in sys.argv:
                await asyncio.Event().wait()
            print("stopped", flush=True)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(7)
"""


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert await line_of(process) == b"up\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line_of(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_first_signal_lets_everything_stop_in_order(number: signal.Signals) -> None:
    async with program() as process:
        process.send_signal(number)
        assert [await line_of(process), await line_of(process)] == [b"stopping\n", b"stopped\n"]
        assert await process.wait() == 7


async def test_the_second_signal_ends_at_once() -> None:
    async with program("slow") as process:
        process.send_signal(signal.SIGTERM)
        assert await line_of(process) == b"stopping\n"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 128 + signal.SIGTERM
