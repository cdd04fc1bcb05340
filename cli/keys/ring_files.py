"""The keys in a folder of secrets: every holder has the same."""

import secrets
from pathlib import Path

from deploy.local.secret_files import key
from deploy.local.writing import write_secret
from shared.sealing import KEY_BYTES, MOST_LINKS, IndexKey, KeyRing

MOST_VERSIONS = 255
SEALING, INDEX = "kreisfunk_sealing_keys", "kreisfunk_index_key"


class RingFilesError(Exception):
    """The folder has no keys, different ones, or they are not as the step needs them; the text says which."""


def add_key(folder: Path) -> int:
    """Append a new key to every ring in the folder; its version. Raises RingFilesError."""
    ring = _read(folder, SEALING)
    version = max(KeyRing.parse(ring).keys) + 1
    if version > MOST_VERSIONS:
        raise RingFilesError(f"{MOST_VERSIONS} versions were used")
    _write(folder, SEALING, f"{ring},{version}:{key(secrets.token_bytes)}")
    return version


def add_index_key(folder: Path) -> int:
    """Let a key with one link more be looked up by; its version. Raises RingFilesError."""
    index = IndexKey.parse(_read(folder, INDEX))
    if index.others:
        raise RingFilesError("there is another index key already: use it, or drop it")
    if index.version == MOST_LINKS:
        raise RingFilesError(f"{MOST_LINKS} versions were used")
    longer = index.key + secrets.token_bytes(KEY_BYTES)
    return _save(folder, IndexKey(index.key, (longer,)), version=index.version + 1)


def use_index_key(folder: Path) -> int:
    """Let the longer key write, and the other be looked up by; its version. Raises RingFilesError."""
    index = IndexKey.parse(_read(folder, INDEX))
    longer = max(index.others, key=len, default=b"")
    if len(longer) < len(index.key):
        raise RingFilesError("there is no new index key that does not write yet")
    return _save(folder, IndexKey(longer, (index.key,)), version=index.version + 1)


def drop_index_key(folder: Path) -> int:
    """Keep the longer key only; its version. Raises RingFilesError."""
    index = IndexKey.parse(_read(folder, INDEX))
    if not index.others or len(max(index.others, key=len)) > len(index.key):
        raise RingFilesError("there is no older index key, or the new one does not write yet")
    return _save(folder, IndexKey(index.key), version=index.version)


def _save(folder: Path, index: IndexKey, *, version: int) -> int:
    _write(folder, INDEX, index.text)
    return version


def _read(folder: Path, name: str) -> str:
    texts = {path.read_text().strip() for path in folder.glob(f"*/{name}")}
    if len(texts) != 1:
        raise RingFilesError(f"every {name} in {folder} must be the same")
    return texts.pop()


def _write(folder: Path, name: str, text: str) -> None:
    for path in sorted(folder.glob(f"*/{name}")):
        write_secret(path, text)
