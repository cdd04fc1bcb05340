"""Data that moves to a refuge and back is never lost, and never old."""

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
def refuge(tmp_path: Path) -> Path:
    folder = tmp_path / "refuge"
    folder.mkdir()
    return folder


def test_data_goes_in_and_comes_back_changed(data: Path, refuge: Path) -> None:
    move_in(data, refuge)
    (refuge / DATA / "number").write_text("2")
    move_out(data, refuge)
    assert (data / "number").read_text() == "2"
    assert not refuge.exists()
    assert not data.with_name(MARKER).exists()


def test_what_a_killed_stack_left_in_the_refuge_is_the_newer_data(data: Path, refuge: Path) -> None:
    move_in(data, refuge)
    (refuge / DATA / "number").write_text("2")
    move_in(data, refuge)
    assert (refuge / DATA / "number").read_text() == "2"


def test_data_in_the_refuge_of_a_folder_that_was_removed_since_is_forgotten(data: Path, refuge: Path) -> None:
    move_in(data, refuge)
    data.with_name(MARKER).unlink()
    move_in(data, refuge)
    assert not (refuge / DATA).exists()


def leave_marker_only(data: Path, refuge: Path) -> None:
    data.with_name(MARKER).touch()


def leave_half_a_copy(data: Path, refuge: Path) -> None:
    data.with_name(MARKER).touch()
    (refuge / f"{DATA}.new").mkdir()


@pytest.mark.parametrize("interrupted", [leave_marker_only, leave_half_a_copy])
def test_a_move_that_was_interrupted_starts_again(
    data: Path, refuge: Path, interrupted: Callable[[Path, Path], None]
) -> None:
    interrupted(data, refuge)
    move_in(data, refuge)
    assert (refuge / DATA / "number").read_text() == "1"
