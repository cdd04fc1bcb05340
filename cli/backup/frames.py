"""Backup files: frames that are encrypted with AES-256-GCM and numbered, the last one marked.

A file has the line `MAGIC`, the id of its key, a salt, and the frames, each after its length in 4 bytes. Its own key is
derived from the backup key and the salt. The nonce of a frame is its number and whether it is the last one, so frames
that were changed, left out, moved or taken from another file do not decrypt.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"kreisfunk backup 1\n"
KEY_ID_BYTES, SALT_BYTES, LENGTH_BYTES = 8, 32, 4
HEADER_BYTES = len(MAGIC) + KEY_ID_BYTES + SALT_BYTES
MAX_FRAME_BYTES = 1 << 24


class BackupFileError(Exception):
    """The file is not a whole backup, or not one of this key; the text says which."""


@dataclass
class FrameWriter:
    """Writer of one file."""

    file: BinaryIO
    key: bytes = field(repr=False)
    _written: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._header = MAGIC + _derive_key_id(self.key) + os.urandom(SALT_BYTES)
        self._cipher = _build_cipher(self.key, self._header)
        self.file.write(self._header)

    def write(self, plain: bytes, *, last: bool = False) -> None:
        """Append a frame; nothing may follow the last one."""
        sealed = self._cipher.encrypt(_build_nonce(self._written, last=last), plain, self._header)
        self.file.write(len(sealed).to_bytes(LENGTH_BYTES, "big") + sealed)
        self._written += 1


def read_frames(file: BinaryIO, key: bytes) -> Iterator[bytes]:
    """Yield the frames of a whole file. Raises BackupFileError, at the latest where it is damaged or ends."""
    header = file.read(HEADER_BYTES)
    if not header.startswith(MAGIC):
        raise BackupFileError("is not a backup, or one of another version of its format")
    if len(header) < HEADER_BYTES:
        raise _report_end()
    if header[len(MAGIC) :][:KEY_ID_BYTES] != _derive_key_id(key):
        raise BackupFileError("was encrypted with another key")
    cipher, number, last = _build_cipher(key, header), 0, False
    while not last:
        sealed = _read_frame(file)
        plain, last = _decrypt(cipher, sealed, number, header)
        yield plain
        number += 1
    if file.read(1):
        raise BackupFileError("goes on after its end: something was added to it")


def _read_frame(file: BinaryIO) -> bytes:
    length = int.from_bytes(prefix := file.read(LENGTH_BYTES), "big")
    if len(prefix) == LENGTH_BYTES and length > MAX_FRAME_BYTES:
        raise _report_damage()
    sealed = file.read(length)
    if len(prefix) < LENGTH_BYTES or len(sealed) < length:
        raise _report_end()
    return sealed


def _decrypt(cipher: AESGCM, sealed: bytes, number: int, header: bytes) -> tuple[bytes, bool]:
    for last in (False, True):
        with suppress(InvalidTag):
            return cipher.decrypt(_build_nonce(number, last=last), sealed, header), last
    raise _report_damage()


def _report_end() -> BackupFileError:
    return BackupFileError("ends too early: it was not written or not copied to its end")


def _report_damage() -> BackupFileError:
    return BackupFileError("is damaged: take another copy of it, or an older backup")


def _build_nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _build_cipher(key: bytes, header: bytes) -> AESGCM:
    return AESGCM(_derive(key, header[-SALT_BYTES:], b"kreisfunk backup file", 32))


def _derive_key_id(key: bytes) -> bytes:
    """Return what tells one key from another and reveals nothing about either."""
    return _derive(key, b"", b"kreisfunk backup key id", KEY_ID_BYTES)


def _derive(key: bytes, salt: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=purpose).derive(key)
