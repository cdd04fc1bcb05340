"""Data that moves to a directory of its own and back is never lost, and never old."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.postgres_paths import DATA, MARKER, move_in, move_out


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "postgres" / DATA
    folder.mkdir(parents=True)
    (folder / "number").write_text("1")
    return folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data_dir"
    folder.mkdir()
    return folder


def test_data_goes_in_and_comes_back_changed(data: Path, data_dir: Path) -> None:
    move_in(data, data_dir)
    (data_dir / DATA / "number").write_text("2")
    move_out(data, data_dir)
    assert (data / "number").read_text() == "2"
    assert not data_dir.exists()
    assert not data.with_name(MARKER).exists()


def test_what_a_killed_stack_left_in_the_data_dir_is_the_newer_data(data: Path, data_dir: Path) -> None:
    move_in(data, data_dir)
    (data_dir / DATA / "number").write_text("2")
    move_in(data, data_dir)
    assert (data_dir / DATA / "number").read_text() == "2"


def test_data_in_the_data_dir_of_a_folder_that_was_removed_since_is_deleted(data: Path, data_dir: Path) -> None:
    move_in(data, data_dir)
    data.with_name(MARKER).unlink()
    move_in(data, data_dir)
    assert not (data_dir / DATA).exists()


def leave_marker_only(data: Path, data_dir: Path) -> None:
    data.with_name(MARKER).touch()


def leave_half_a_copy(data: Path, data_dir: Path) -> None:
    data.with_name(MARKER).touch()
    (data_dir / f"{DATA}.new").mkdir()


@pytest.mark.parametrize("interrupted", [leave_marker_only, leave_half_a_copy])
def test_a_move_that_was_interrupted_starts_again(
    data: Path, data_dir: Path, interrupted: Callable[[Path, Path], None]
) -> None:
    interrupted(data, data_dir)
    move_in(data, data_dir)
    assert (data_dir / DATA / "number").read_text() == "1"
