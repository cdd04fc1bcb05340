"""New files for backups: whole or not there, and without what killed processes left."""

import errno
import os
from pathlib import Path

import pytest

from cli.backup.files import create_atomically


def test_a_file_appears_when_it_is_complete_and_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "new.backup"
    before = os.umask(0)
    try:
        with create_atomically(path) as file:
            file.write(b"half")
            assert not path.exists()
    finally:
        os.umask(before)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"half", 0o600)
    with pytest.raises(FileExistsError), create_atomically(path):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["new.backup"]


def test_nothing_is_left_behind_when_the_disk_is_full(tmp_path: Path) -> None:
    def write() -> None:
        with create_atomically(tmp_path / "new.backup") as file:
            file.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(tmp_path: Path) -> None:
    path, other = tmp_path / "new.backup", tmp_path / ".notes.backup.0123abcd"
    for left in (tmp_path / ".kreisfunk-20261201T020000Z.backup.0123abcd", tmp_path / ".new.backup.0123abcd", other):
        left.write_bytes(b"half")
    with create_atomically(path) as file:
        (writing,) = set(tmp_path.iterdir()) - {other}
        with create_atomically(path):
            assert writing.exists()
        file.write(b"whole")
    assert (path.read_bytes(), set(tmp_path.iterdir())) == (b"whole", {path, other})
