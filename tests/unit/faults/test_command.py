"""How the bench is started."""

import shlex
import subprocess
import sys
from pathlib import Path

from tests.unit.rules.planting import REPOSITORY


def test_make_faults_starts_the_bench() -> None:
    printed = subprocess.run(
        ["make", "--no-print-directory", "-n", "faults", "SEED=7", "SHORT=1", f"BIN={Path(sys.executable).parent}"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    command = shlex.split(printed.stdout.splitlines()[-1])
    ended = subprocess.run([*command, "--help"], cwd=REPOSITORY, capture_output=True, check=False, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert command[1:] == ["-m", "tests.faults", "--seed", "7", "--short"]
