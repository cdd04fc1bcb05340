"""Files of backups: whole or not there, and only the whole file, with its own key, is read; and what to do then."""

import errno
import os
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
import typer

from cli.backup import describe_held, explain_file_errors
from cli.backup.files import (
    HEADER_BYTES,
    LENGTH_BYTES,
    BackupFileError,
    FrameWriter,
    create_atomically,
    read_frames,
)
from cli.backup.holding import HeldWork
from tests.harness.commands import run_in_process

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
FRAMES = [b"manifest", b"\0" + b"row\n" * 50, b"", b"end"]
END = "ends too early"


def build_file() -> bytes:
    file = BytesIO()
    writer = FrameWriter(file, KEY)
    for number, frame in enumerate(FRAMES, 1):
        writer.write(frame, last=number == len(FRAMES))
    return file.getvalue()


def read_all(data: bytes, key: bytes = KEY) -> list[bytes]:
    return list(read_frames(BytesIO(data), key))


def split(data: bytes) -> list[bytes]:
    """The header and each frame with its length."""
    parts, data = [data[:HEADER_BYTES]], data[HEADER_BYTES:]
    while data:
        end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")
        parts.append(data[:end])
        data = data[end:]
    return parts


def test_what_was_written_is_read_and_cannot_be_seen_in_the_file() -> None:
    data = build_file()
    assert read_all(data) == FRAMES
    assert b"row" not in data
    assert data != build_file()


def test_a_file_that_ends_anywhere_before_its_end_or_has_a_changed_byte_is_refused() -> None:
    data = build_file()
    for place in range(len(data)):
        with pytest.raises(BackupFileError, match=END if place >= HEADER_BYTES else "ends too early|not a backup"):
            read_all(data[:place])
        with pytest.raises(BackupFileError):
            read_all(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def test_frames_are_read_in_their_order_from_their_file_and_up_to_their_end_only() -> None:
    header, *frames = split(build_file())
    of_other = split(build_file())[2]
    changed = (
        [frames[1], frames[0], *frames[2:]],
        [frames[0], *frames[2:]],
        [frames[0], frames[1], *frames[1:]],
        [frames[0], of_other, *frames[2:]],
    )
    for order in changed:
        with pytest.raises(BackupFileError, match="damaged"):
            read_all(b"".join([header, *order]))
    with pytest.raises(BackupFileError, match=END):
        read_all(b"".join([header, *frames[:-1]]))
    with pytest.raises(BackupFileError, match="has extra data after its end"):
        read_all(b"".join([header, *frames, frames[-1]]))


def test_another_key_and_another_kind_of_file_are_called_so() -> None:
    with pytest.raises(BackupFileError, match="another key"):
        read_all(build_file(), OTHER_KEY)
    with pytest.raises(BackupFileError, match="not a backup"):
        read_all(b"PGDMP" + build_file())


async def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "backup.key"
    made = await run_in_process("backup", "key", str(file), environment={})
    text = file.read_text()
    assert (made.status, len(text), file.stat().st_mode & 0o777) == (0, 44, 0o600)
    assert text not in made.everything
    again = await run_in_process("backup", "key", str(file), environment={})
    assert (again.status, file.read_text()) == (2, text)


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


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "free space"), (errno.EACCES, "user 10001 must own it"), (errno.ENOENT, "KREISFUNK_BACKUPS")],
    ids=errno.errorcode.get,
)
def test_a_file_that_cannot_be_used_leads_to_what_to_do(
    code: int, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), explain_file_errors(Path("/backups/file")):
        raise OSError(code, os.strerror(code))
    assert advice in " ".join(capsys.readouterr().err.split())


def test_what_comes_after_a_restore_is_told_in_the_order_in_which_it_is_done() -> None:
    at = datetime(2026, 12, 1, 12, tzinfo=UTC)
    work = HeldWork(
        saved_at=at, lost_at=at, replies=0, deliveries=0, broadcasts=0, scheduled=0, unfinished=0, returned=0
    )
    steps = ("keys status", "dispatch.urgent and dispatch.bulk", "start the services", "deliveries unknown", "resume")
    places = [describe_held(work).rfind(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


async def test_an_empty_time_is_no_time() -> None:
    """As of a variable that nobody has set: nothing would be held, and the command would say that all is well."""
    environment = {"KREISFUNK_DATABASE_URL": "postgresql://owner@127.0.0.1:1/kreisfunk"}
    ended = await run_in_process("restore", "--elsewhere", "", environment=environment)
    assert (ended.status, "is not a time" in ended.errors) == (2, True), ended.everything
