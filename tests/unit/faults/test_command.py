"""Command line of the bench."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.paths import ROOT


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        (["SEED=7", "SHORT=1"], ["--seed", "7", "--short"]),
        (["DISPATCHERS=1"], ["--seed", "1", "--dispatchers", "1"]),
        (["NODES=1", "PER_SECOND=60"], ["--seed", "1", "--nodes", "--rate", "60"]),
    ],
)
def test_make_faults_starts_the_bench(variables: list[str], options: list[str]) -> None:
    printed = subprocess.run(
        ["make", "--no-print-directory", "-n", "faults", *variables, f"BIN={Path(sys.executable).parent}"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    command = shlex.split(printed.stdout.splitlines()[-1])
    ended = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, check=False, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert command[1:] == ["-m", "tests.faults", *options]
