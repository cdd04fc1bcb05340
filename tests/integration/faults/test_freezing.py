"""A process that stands still with everything it has started, and goes on afterwards."""

import sys
from pathlib import Path

import psutil

from deploy.local.process import Child, Command
from tests.faults.harder_faults import freeze
from tests.servers import wait_for

# A shell with a child of its own session, as PostgreSQL's are.
PARENT = """
import subprocess, sys, time
child = "import time\\nwhile True: print('alive', flush=True); time.sleep(0.01)"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
time.sleep(600)
"""


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


async def test_a_process_and_its_children_stand_still_until_it_is_over(tmp_path: Path) -> None:
    log = tmp_path / "parent.log"
    child = Child(Command(name="parent", arguments=(sys.executable, "-c", PARENT), log=log, environment={}))
    await child.start()
    before = 0
    await wait_for(lambda: log.stat().st_size > before)
    assert child.pid is not None
    members = family(child.pid)
    try:
        with freeze(child.pid):
            await wait_for(lambda: {member.status() for member in members} == {psutil.STATUS_STOPPED})
            before = log.stat().st_size
        await wait_for(lambda: log.stat().st_size > before)
    finally:
        for member in members:
            member.kill()
        await child.wait()
