"""Backup files: numbered frames, encrypted with AES-256-GCM, the last one marked. A file is complete or absent.

A file has the line `MAGIC`, the id of its key, a salt, and the frames, each after its length in 4 bytes. Its own key is
derived from the backup key and the salt. The nonce of a frame is its number and whether it is the last one, so frames
that were changed, omitted, moved or taken from another file do not decrypt.
"""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deploy.atomic_write import open_atomically

MAGIC = b"kreisfunk backup 1\n"
KEY_ID_BYTES, SALT_BYTES, LENGTH_BYTES = 8, 32, 4
HEADER_BYTES = len(MAGIC) + KEY_ID_BYTES + SALT_BYTES
MAX_FRAME_BYTES = 1 << 24
# PostgreSQL and RabbitMQ may use the same disk; RabbitMQ accepts no messages below 1 GB.
MIN_FREE_BYTES = 2 * 10**9
_END = "ends too early: it was not written or copied completely"
_DAMAGE = "is damaged: take another copy of it, or an older backup"


class BackupFileError(Exception):
    """The file is not a complete backup, or of another key; the text says which."""


@dataclass
class FrameWriter:
    file: BinaryIO
    key: bytes = field(repr=False)
    _written: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._header = MAGIC + _derive_key_id(self.key) + os.urandom(SALT_BYTES)
        self._cipher = _build_cipher(self.key, self._header)
        self.file.write(self._header)

    def write(self, plain: bytes, *, last: bool = False) -> None:
        """Append a frame; nothing may follow the last one."""
        ciphertext = self._cipher.encrypt(_build_nonce(self._written, last=last), plain, self._header)
        self.file.write(len(ciphertext).to_bytes(LENGTH_BYTES, "big") + ciphertext)
        self._written += 1


def read_frames(file: BinaryIO, key: bytes) -> Iterator[bytes]:
    """Yield all frames of a file. Raises BackupFileError, at the latest where it is damaged or ends."""
    header = file.read(HEADER_BYTES)
    if not header.startswith(MAGIC):
        raise BackupFileError("is not a backup, or has another version of the format")
    if len(header) < HEADER_BYTES:
        raise BackupFileError(_END)
    if header[len(MAGIC) :][:KEY_ID_BYTES] != _derive_key_id(key):
        raise BackupFileError("was encrypted with another key")
    cipher, number, last = _build_cipher(key, header), 0, False
    while not last:
        ciphertext = _read_frame(file)
        plain, last = _decrypt(cipher, ciphertext, number, header)
        yield plain
        number += 1
    if file.read(1):
        raise BackupFileError("has extra data after its end")


def _read_frame(file: BinaryIO) -> bytes:
    length = int.from_bytes(prefix := file.read(LENGTH_BYTES), "big")
    if len(prefix) == LENGTH_BYTES and length > MAX_FRAME_BYTES:
        raise BackupFileError(_DAMAGE)
    ciphertext = file.read(length)
    if len(prefix) < LENGTH_BYTES or len(ciphertext) < length:
        raise BackupFileError(_END)
    return ciphertext


def _decrypt(cipher: AESGCM, ciphertext: bytes, number: int, header: bytes) -> tuple[bytes, bool]:
    for last in (False, True):
        with suppress(InvalidTag):
            return cipher.decrypt(_build_nonce(number, last=last), ciphertext, header), last
    raise BackupFileError(_DAMAGE)


def _build_nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _build_cipher(key: bytes, header: bytes) -> AESGCM:
    return AESGCM(_derive(key, header[-SALT_BYTES:], b"kreisfunk backup file", 32))


def _derive_key_id(key: bytes) -> bytes:
    """Return an identifier of the key that reveals nothing about it."""
    return _derive(key, b"", b"kreisfunk backup key id", KEY_ID_BYTES)


def _derive(key: bytes, salt: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=purpose).derive(key)


@contextmanager
def create_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that only its owner can read; it gets its name when it is complete and on the disk."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, "exists already")
    _remove_drafts(path)
    require_room(path.parent)
    with open_atomically(path) as file:
        with suppress(OSError):  # without locks on this file system, drafts stay
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # the name, too
    finally:
        os.close(descriptor)


def require_room(folder: Path) -> None:
    """Raise OSError if the disk has less free space than its other users need."""
    if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
        problem = f"this disk has less than {MIN_FREE_BYTES / 1e9:.0f} GB free, which others may need"
        raise OSError(errno.ENOSPC, problem)


def _remove_drafts(path: Path) -> None:
    """Remove drafts that killed processes left next to this file, of its name or of one that we had generated.

    A draft that is being written is locked and stays, as do drafts of other owners.
    """
    drafts = re.compile(rf"\.({re.escape(path.name)}|kreisfunk-\d{{8}}T\d{{6}}Z\.backup)\.[0-9a-f]{{8}}")
    for draft in (entry for entry in path.parent.glob(".*") if drafts.fullmatch(entry.name)):
        with suppress(OSError), open(draft, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.unlink()
