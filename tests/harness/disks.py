"""Disks that fail."""

import errno
from pathlib import Path

from deploy.atomic_write import write_secret


class FullDisk:
    """Replacement of `write_secret` that stores a limited number of files."""

    def __init__(self, files: int) -> None:
        self._free = files

    def write(self, path: Path, value: str) -> None:
        self._free -= 1
        if self._free < 0:
            raise OSError(errno.ENOSPC, "no space left")
        write_secret(path, value)
