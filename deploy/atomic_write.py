"""Atomic writing of files, one change at a time."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def open_atomically(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Open a draft that replaces the file once it is complete and on the disk; until then nothing changes."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)  # regardless of the umask
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_secret(path: Path, value: str, *, mode: int = 0o600) -> None:
    with open_atomically(path, mode) as file:
        file.write(value.encode())


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Serialise changes to the files of a folder; a lock on the folder works, as containers share only folders."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
