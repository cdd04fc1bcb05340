"""Files that survive a kill."""

import os
import secrets
from pathlib import Path


def build_file_name(event_id: str) -> str:
    """Return a file name for the event. Ids of other systems may contain anything, but must not form a path."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "." for letter in event_id)
    return f"{plain[:150].lstrip('.') or 'event'}.json"


def get_modified_at(path: Path) -> int:
    """Return the modification time in ns; 0 for a file that has just been removed."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file: it has the old or the new content, never a part, even if the machine crashes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(draft, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
