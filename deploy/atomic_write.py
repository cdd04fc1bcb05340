"""Atomic writing of files."""

import os
import secrets
from pathlib import Path


def write_secret(path: Path, value: str, *, mode: int = 0o600) -> None:
    """Write a file atomically with this mode; if we are killed, it is either complete or unchanged."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
