"""The key rings in a folder of secrets: every holder has the same."""

import secrets
from pathlib import Path

from deploy.local.secret_files import key
from deploy.local.writing import write_secret
from shared.sealing import KeyRing

MOST_VERSIONS = 255


class RingFilesError(Exception):
    """The folder has no rings, different ones, or no version left; the text says which."""


def add_key(folder: Path) -> int:
    """Append a new key to every ring in the folder; its version. Raises RingFilesError."""
    files = sorted(folder.glob("*/kreisfunk_sealing_keys"))
    rings = {path.read_text().strip() for path in files}
    if len(rings) != 1:
        raise RingFilesError(f"{folder} must have rings that all are the same")
    (ring,) = rings
    version = max(KeyRing.parse(ring).keys) + 1
    if version > MOST_VERSIONS:
        raise RingFilesError(f"{MOST_VERSIONS} versions were used")
    renewed = f"{ring},{version}:{key(secrets.token_bytes)}"
    for path in files:
        write_secret(path, renewed)
    return version
