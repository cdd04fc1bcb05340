"""The main use case with one command: its last line, its status, and nothing left behind."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.contract_recorder.follower import follow_stack
from tests.e2e.demo.command_process import run_command
from tests.harness.processes import list_processes

CITIZENS, RATE = 60, 40
LEAVING, ASKING, NOTICES = 3, 1, 2
FIGURE = re.compile(r"(\w+)=([0-9.]+)")
NAMES = """citizens subscribed replies audience accepted delivered lost duplicates after_stop unaccounted peak_1s
    seconds"""


async def play(folder: Path, *options: str) -> tuple[int | None, str, str]:
    arguments = ("--citizens", str(CITIZENS), "--rate", str(RATE), "--folder", str(folder), *options)
    async with run_command("demo", *arguments) as process, follow_stack(folder):
        output, progress = await process.communicate()
    return process.returncode, output.decode(), progress.decode()


def figures(output: str) -> dict[str, float]:
    last = output.splitlines()[-1]
    assert last.startswith("demo: ok "), last
    return {name: float(value) for name, value in FIGURE.findall(last)}


def problems(found: dict[str, float]) -> list[str]:
    """Return what the figures contradict; written down once more here, so that the demo is not its own judge."""
    stayed = CITIZENS - LEAVING
    holds = {
        "names": list(found) == NAMES.split(),
        "citizens": found["citizens"] == CITIZENS,
        "subscribed": found["subscribed"] == stayed,
        "replies": found["replies"] == CITIZENS + ASKING + LEAVING,
        "audience": NOTICES * stayed <= found["audience"] <= CITIZENS + stayed,
        "accepted": NOTICES * stayed <= found["accepted"] <= found["audience"],
        "delivered": found["delivered"] == found["accepted"],
        "peak": 0 < found["peak_1s"] <= RATE,
        "seconds": found["seconds"] > 0,
        **{name: found[name] == 0 for name in ("lost", "duplicates", "after_stop", "unaccounted")},
    }
    return [name for name, right in holds.items() if not right]


async def interrupt_once_it_has_begun(folder: Path) -> None:
    async with run_command("demo", "--folder", str(folder)) as process, asyncio.timeout(120):
        assert process.stderr is not None
        while b'send "Start"' not in (line := await process.stderr.readline()):
            assert line, "it ended before it began"
        process.terminate()
        output, _ = await process.communicate()
    assert process.returncode not in (0, None)
    assert b"demo: ok" not in output


@pytest.mark.timeout(240)
async def test_the_demo_is_right_while_processes_are_killed_also_after_an_interrupted_one(folder: Path) -> None:
    await interrupt_once_it_has_begun(folder / "demo")
    assert list_processes(folder) == []

    status, output, progress = await play(folder / "demo", "--kill")
    assert status == 0, progress
    assert problems(figures(output)) == []
    for name in ("dispatcher-1", "subscriptions-1"):
        assert f"{name} ended with status -9, starting it again" in progress
    assert list_processes(folder) == []
