"""The key files in a folder of secrets; every process that needs a key has the same one."""

import secrets
from pathlib import Path

from deploy.atomic_write import write_secret
from deploy.secrets import generate_key
from shared.encryption import KEY_BYTES, MAX_LINKS, BlindIndexKey, KeyRing

MAX_VERSIONS = 255
SEALING_FILE, INDEX_FILE = "kreisfunk_encryption_keys", "kreisfunk_index_key"


class KeyFilesError(Exception):
    """The key files are missing, differ, or do not permit this step; the text says which."""


def add_key(folder: Path) -> int:
    """Append a new key to every ring in the folder; return its version. Raises KeyFilesError."""
    ring = _read(folder, SEALING_FILE)
    version = max(KeyRing.parse(ring).keys) + 1
    if version > MAX_VERSIONS:
        raise KeyFilesError(f"{MAX_VERSIONS} versions were used")
    _write(folder, SEALING_FILE, f"{ring},{version}:{generate_key(secrets.token_bytes)}")
    return version


def drop_key(folder: Path) -> int:
    """Keep only the newest key in every ring; return its version. Raises KeyFilesError."""
    ring = KeyRing.parse(text := _read(folder, SEALING_FILE))
    version = max(ring.keys)
    if len(ring.keys) == 1:
        raise KeyFilesError("there is no older key")
    _write(folder, SEALING_FILE, next(key for key in text.split(",") if int(key.split(":")[0]) == version))
    return version


def add_index_key(folder: Path) -> int:
    """Add a key with one more link for lookups; return its version. Raises KeyFilesError."""
    index = BlindIndexKey.parse(_read(folder, INDEX_FILE))
    if index.others:
        raise KeyFilesError("there is another index key already: use it, or drop it")
    if index.version == MAX_LINKS:
        raise KeyFilesError(f"{MAX_LINKS} versions were used")
    longer = index.key + secrets.token_bytes(KEY_BYTES)
    return _save(folder, BlindIndexKey(index.key, (longer,)), version=index.version + 1)


def use_index_key(folder: Path) -> int:
    """Make the longer key the writing one and the shorter one for lookups; return its version. Raises KeyFilesError."""
    index = BlindIndexKey.parse(_read(folder, INDEX_FILE))
    longer = max(index.others, key=len, default=b"")
    if len(longer) < len(index.key):
        raise KeyFilesError("there is no new index key that does not write yet")
    return _save(folder, BlindIndexKey(longer, (index.key,)), version=index.version + 1)


def drop_index_key(folder: Path) -> int:
    """Keep only the longer key; return its version. Raises KeyFilesError."""
    index = BlindIndexKey.parse(_read(folder, INDEX_FILE))
    if not index.others or len(max(index.others, key=len)) > len(index.key):
        raise KeyFilesError("there is no older index key, or the new one does not write yet")
    return _save(folder, BlindIndexKey(index.key), version=index.version)


def _save(folder: Path, index: BlindIndexKey, *, version: int) -> int:
    _write(folder, INDEX_FILE, index.text)
    return version


def _read(folder: Path, name: str) -> str:
    texts = {path.read_text().strip() for path in folder.glob(f"*/{name}")}
    if len(texts) != 1:
        raise KeyFilesError(f"every {name} in {folder} must be the same")
    return texts.pop()


def _write(folder: Path, name: str, text: str) -> None:
    for path in sorted(folder.glob(f"*/{name}")):
        write_secret(path, text)
