"""Disks that fail."""

import errno
from pathlib import Path

from deploy.atomic_write import write_secret


class FullDisk:
    """Takes the place of `write_secret`: takes some files, and no more."""

    def __init__(self, files: int) -> None:
        self._left = files

    def write(self, path: Path, value: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, "no space left")
        write_secret(path, value)
