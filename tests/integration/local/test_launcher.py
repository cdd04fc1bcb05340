"""A program is not started for somebody who has ended."""

import signal
import subprocess
import sys

from deploy.local.process import LAUNCHER


def test_a_program_whose_starter_is_gone_already_does_not_start() -> None:
    nobody = "1"
    arguments = [nobody, str(int(signal.SIGKILL)), "-1", "-1", "echo", "started"]
    result = subprocess.run([sys.executable, str(LAUNCHER), *arguments], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "started" not in result.stdout
