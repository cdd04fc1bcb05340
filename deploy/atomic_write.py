"""Files that are written whole or not at all."""

import os
import secrets
from pathlib import Path


def write_secret(path: Path, value: str) -> None:
    """Whole or not at all, also when we are killed in between."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
