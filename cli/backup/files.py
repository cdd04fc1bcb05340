"""New files for backups: whole or not there, and never at the cost of what else is on the disk."""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from deploy.atomic_write import open_atomically

# PostgreSQL and RabbitMQ may be on the same disk; RabbitMQ takes no messages any more below 1 GB.
MIN_FREE_BYTES = 2 * 10**9


@contextmanager
def create_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that only its owner can read; it gets its name when it is complete and on the disk."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, "exists already")
    _remove_drafts(path)
    require_room(path.parent)
    with open_atomically(path) as file:
        with suppress(OSError):  # where nothing can be locked, drafts stay
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # the name, too
    finally:
        os.close(descriptor)


def require_room(folder: Path) -> None:
    """Raise OSError if the disk has less space than others there need."""
    if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
        raise OSError(
            errno.ENOSPC, f"this disk has less than {MIN_FREE_BYTES / 1e9:.0f} GB left, which others may need"
        )


def _remove_drafts(path: Path) -> None:
    """Remove drafts that a killed process left beside this file: of the same name, or of one that we had made up."""
    drafts = re.compile(rf"\.({re.escape(path.name)}|kreisfunk-\d{{8}}T\d{{6}}Z\.backup)\.[0-9a-f]{{8}}")
    for draft in path.parent.glob(".*"):
        if drafts.fullmatch(draft.name):
            _remove_unlocked(draft)


def _remove_unlocked(draft: Path) -> None:
    """Remove a draft unless somebody is writing it, or it is somebody else's."""
    with suppress(OSError), open(draft, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.unlink()
