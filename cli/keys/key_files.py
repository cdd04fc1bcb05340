"""The keys in a folder of secrets: every holder has the same."""

import secrets
from pathlib import Path

from deploy.atomic_write import write_secret
from deploy.secrets import generate_key
from shared.encryption import KEY_BYTES, MAX_LINKS, BlindIndexKey, KeyRing

MAX_VERSIONS = 255
SEALING_FILE, INDEX_FILE = "kreisfunk_encryption_keys", "kreisfunk_index_key"


class KeyFilesError(Exception):
    """The folder has no keys, different ones, or they are not as the step needs them; the text says which."""


def add_key(folder: Path) -> int:
    """Append a new key to every ring in the folder; its version. Raises KeyFilesError."""
    ring = _read(folder, SEALING_FILE)
    version = max(KeyRing.parse(ring).keys) + 1
    if version > MAX_VERSIONS:
        raise KeyFilesError(f"{MAX_VERSIONS} versions were used")
    _write(folder, SEALING_FILE, f"{ring},{version}:{generate_key(secrets.token_bytes)}")
    return version


def add_index_key(folder: Path) -> int:
    """Let a key with one link more be looked up by; its version. Raises KeyFilesError."""
    index = BlindIndexKey.parse(_read(folder, INDEX_FILE))
    if index.others:
        raise KeyFilesError("there is another index key already: use it, or drop it")
    if index.version == MAX_LINKS:
        raise KeyFilesError(f"{MAX_LINKS} versions were used")
    longer = index.key + secrets.token_bytes(KEY_BYTES)
    return _save(folder, BlindIndexKey(index.key, (longer,)), version=index.version + 1)


def use_index_key(folder: Path) -> int:
    """Let the longer key write, and the other be looked up by; its version. Raises KeyFilesError."""
    index = BlindIndexKey.parse(_read(folder, INDEX_FILE))
    longer = max(index.others, key=len, default=b"")
    if len(longer) < len(index.key):
        raise KeyFilesError("there is no new index key that does not write yet")
    return _save(folder, BlindIndexKey(longer, (index.key,)), version=index.version + 1)


def drop_index_key(folder: Path) -> int:
    """Keep the longer key only; its version. Raises KeyFilesError."""
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
