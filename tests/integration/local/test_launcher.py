"""Children that die with the process that started them."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from tests.harness.processes import is_alive
from tests.servers import wait_for

STARTER = """
import asyncio, sys
from pathlib import Path
from deploy.local.process import Child, Command, wait_until_ready

async def is_up(log):
    return "up" in log.read_text()

async def main():
    program = "import signal; print('up', flush=True); signal.pause()"
    log = Path(sys.argv[1])
    child = Child(Command(name="child", arguments=(sys.executable, "-c", program), log=log, environment={}))
    await child.start()
    await wait_until_ready(child, lambda: is_up(log), seconds=60)
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_child_dies_with_its_killed_starter(tmp_path: Path) -> None:
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTER, str(tmp_path / "child.log"), stdout=asyncio.subprocess.PIPE
    )
    assert starter.stdout is not None
    child = int(await starter.stdout.readline())
    assert is_alive(child)
    starter.kill()
    await starter.wait()

    async def ended() -> bool:
        return not is_alive(child)

    await wait_for(ended)


def test_a_program_whose_starter_is_gone_already_does_not_start() -> None:
    launcher = Path(__file__).parents[3] / "deploy" / "local" / "launcher.py"
    nobody = "1"
    arguments = [nobody, str(int(signal.SIGKILL)), "-1", "-1", "echo", "started"]
    result = subprocess.run([sys.executable, str(launcher), *arguments], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "started" not in result.stdout
