"""The key files in a folder of secrets; all processes that need a key have the same file.

Files change one after the other. A repeated step after an interruption brings the others to the content of the first.
"""

import base64
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from functools import partial
from itertools import permutations
from pathlib import Path

from deploy.atomic_write import lock_folder, write_secret
from shared.encryption import KEY_BYTES, MAX_LINKS, BlindIndexKey, EncryptionError, KeyRing

MAX_VERSIONS = 255
INDEX_FILE = "kreisfunk_index_key"
# Returns the new text of a file, from the present one and new random bytes, if it needs any.
Step = Callable[[str, bytes], str]
# Asks a person before a key is lost; raises to end the command.
Confirm = Callable[[], None]


class Ring(StrEnum):
    """Key ring, by its name on the command line."""

    ADDRESSES = "addresses"
    DEAD_LETTERS = "dead-letters"
    NEWSROOM = "newsroom"


RING_FILES: Mapping[Ring, str] = {
    Ring.ADDRESSES: "kreisfunk_encryption_keys",
    Ring.DEAD_LETTERS: "kreisfunk_dead_letter_keys",
    Ring.NEWSROOM: "kreisfunk_newsroom_keys",
}


class KeyFilesError(Exception):
    """The key files are missing, differ, or do not permit this step; the text says which."""


def _append_key(text: str, fresh: bytes) -> str:
    version = max(KeyRing.parse(text).keys) + 1
    if version > MAX_VERSIONS:
        raise KeyFilesError(f"{MAX_VERSIONS} versions were used")
    return f"{text},{version}:{base64.b64encode(fresh).decode()}"


def _keep_newest_key(text: str, _: bytes) -> str:
    versions = KeyRing.parse(text).keys
    if len(versions) == 1:
        raise KeyFilesError("there is no older key")
    return next(key for key in text.split(",") if int(key.split(":")[0]) == max(versions))


def _append_index_key(text: str, fresh: bytes) -> str:
    """Add a key with one more link for lookups."""
    index = BlindIndexKey.parse(text)
    if index.others:
        raise KeyFilesError("there already is another index key: use it, or drop it")
    if index.version == MAX_LINKS:
        raise KeyFilesError(f"{MAX_LINKS} versions were used")
    return BlindIndexKey(index.key, (index.key + fresh,)).text


def _prefer_longer_key(text: str, _: bytes) -> str:
    """Make the longer key the writing one and the shorter one for lookups."""
    index = BlindIndexKey.parse(text)
    longer = max(index.others, key=len, default=b"")
    if len(longer) < len(index.key):
        raise KeyFilesError("there is no new index key that is not yet used for writing")
    return BlindIndexKey(longer, (index.key,)).text


def _keep_longer_key(text: str, _: bytes) -> str:
    index = BlindIndexKey.parse(text)
    if not index.others or len(max(index.others, key=len)) > len(index.key):
        raise KeyFilesError("there is no older index key, or the new one is not yet used for writing")
    return BlindIndexKey(index.key).text


def _change_ring(folder: Path, ring: Ring = Ring.ADDRESSES, confirm: Confirm | None = None, *, step: Step) -> int:
    return max(KeyRing.parse(_change(folder, RING_FILES[ring], step, confirm)).keys)


def _change_index_keys(folder: Path, confirm: Confirm | None = None, *, step: Step) -> int:
    index = BlindIndexKey.parse(_change(folder, INDEX_FILE, step, confirm))
    return max(len(key) for key in (index.key, *index.others)) // KEY_BYTES


def _change(folder: Path, name: str, step: Step, confirm: Confirm | None) -> str:
    """Take or resume the step in all files, and return their new text. Raises KeyFilesError."""
    files = sorted(folder.glob(f"*/{name}"))
    if not files:
        raise KeyFilesError(f"{folder} has no {name}: was it made by `kreisfunk secrets`?")
    with lock_folder(files[0].parent):
        texts = {file: file.read_text().strip() for file in files}
        new_text = _take_step(set(texts.values()), step)
        if new_text is None:
            raise KeyFilesError(f"every {name} in {folder} must be the same; repeat the step that was interrupted")
        if confirm:
            confirm()
        for file in files:
            if texts[file] != new_text:
                write_secret(file, new_text)
    return new_text


def _take_step(texts: set[str], step: Step) -> str | None:
    """Return the text of all files after the step; None if they differ by anything but this step."""
    if len(texts) == 1:
        return step(next(iter(texts)), secrets.token_bytes(KEY_BYTES))
    if len(texts) > 2:
        return None
    for before, after in permutations(texts):
        with suppress(KeyFilesError, EncryptionError, ValueError):
            if step(before, _read_newest_bytes(after)) == after:
                return after
    return None


def _read_newest_bytes(text: str) -> bytes:
    """Return the random bytes at the end of the text, where a step that needs any appends them."""
    return base64.b64decode(text.rpartition(",")[2].rpartition(":")[2])[-KEY_BYTES:]


# Each returns the version of the newest key. Raises KeyFilesError.
add_key = partial(_change_ring, step=_append_key)
drop_key = partial(_change_ring, step=_keep_newest_key)
add_index_key = partial(_change_index_keys, step=_append_index_key)
use_index_key = partial(_change_index_keys, step=_prefer_longer_key)
drop_index_key = partial(_change_index_keys, step=_keep_longer_key)
