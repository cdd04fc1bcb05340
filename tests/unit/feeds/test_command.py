"""`kreisfunk feeds` as it is called."""

import os
import subprocess
import sys
from pathlib import Path

from tests.unit.rules.planting import REPOSITORY

FEEDS_FILE = REPOSITORY / "deploy" / "config" / "feeds.toml"


def test_the_county_of_this_version_is_found_from_any_folder(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", "feeds", "list", "--file", str(FEEDS_FILE), "--folder", str(tmp_path)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
