"""The files of an index key go through the steps of a rotation, and no step shows a key."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.keys.key_files import KeyFilesError, add_index_key, drop_index_key, use_index_key
from deploy.secrets import create_secrets
from shared.encryption import BlindIndexKey
from tests.integration.cli.index_keys import build_arguments


def test_a_folder_goes_through_all_steps_and_no_other(tmp_path: Path) -> None:
    create_secrets(tmp_path)
    first = held(tmp_path)
    refused(tmp_path, use_index_key, drop_index_key)
    assert add_index_key(tmp_path) == 2
    added = held(tmp_path)
    assert (added.key, [BlindIndexKey(other).version for other in added.others]) == (first.key, [2])
    refused(tmp_path, add_index_key, drop_index_key)
    assert use_index_key(tmp_path) == 2
    used = held(tmp_path)
    assert (used.key, used.others) == (added.others[0], (first.key,))
    refused(tmp_path, add_index_key, use_index_key)
    assert drop_index_key(tmp_path) == 2
    assert held(tmp_path) == BlindIndexKey(used.key)
    assert add_index_key(tmp_path) == 3
    assert create_secrets(tmp_path) == ([], [])


def held(folder: Path) -> BlindIndexKey:
    """What every holder has."""
    (text,) = {path.read_text() for path in folder.glob("*/kreisfunk_index_key")}
    return BlindIndexKey.parse(text)


def refused(folder: Path, *steps: Callable[[Path], int]) -> None:
    before = held(folder)
    for step in steps:
        with pytest.raises(KeyFilesError):
            step(folder)
    assert held(folder) == before


def test_no_step_shows_a_key(tmp_path: Path) -> None:
    create_secrets(tmp_path)
    for step in (["add-index"], ["use-index"], ["drop-index", "--yes"], ["drop-index"]):
        finished = run(tmp_path, *step)
        for key in held(tmp_path).text.split(","):
            assert key not in finished.stdout + finished.stderr
    assert (finished.returncode, "no older index key" in finished.stderr) == (1, True)


def test_the_older_key_is_dropped_only_by_agreement(tmp_path: Path) -> None:
    create_secrets(tmp_path)
    add_index_key(tmp_path)
    use_index_key(tmp_path)
    before = held(tmp_path)
    asked = run(tmp_path, "drop-index")
    assert (asked.returncode, "Say --yes" in asked.stderr) == (2, True)
    assert held(tmp_path) == before
    assert run(tmp_path, "drop-index", "--yes").returncode == 0
    assert held(tmp_path) == BlindIndexKey(before.key)


def run(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*build_arguments(name), str(folder), *options], capture_output=True, text=True, timeout=60, check=False
    )
