"""Encryption of addresses at rest and on the broker: AES-256-GCM with a key ring, a blind index with a separate key.

Layout of an encrypted value: version (1 byte), nonce (12), ciphertext with tag. The additional data binds it to its
purpose and to its index, so a ciphertext moved to another row cannot be decrypted.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
INDEX_BYTES = 16
MAX_LINKS = 255
_NONCE_BYTES = 12


class EncryptionError(ValueError):
    """A value cannot be decrypted, or a key text is invalid. Check that the key ring has the value's key version."""


@dataclass(frozen=True, repr=False)
class KeyRing:
    """Encryption keys by version (1 to 255); the highest encrypts, all decrypt."""

    keys: Mapping[int, AESGCM]

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Parse a key ring from `1:<base64 of 32 bytes>[,2:<…>]`. Raises EncryptionError without repeating the text."""
        entries = [entry.strip().partition(":") for entry in text.split(",") if entry.strip()]
        if not entries or not all(number.isdecimal() and 0 < int(number) < 256 for number, _, _ in entries):
            raise EncryptionError("expected VERSION:BASE64[,VERSION:BASE64], versions 1 to 255")
        if len({int(number) for number, _, _ in entries}) < len(entries):
            raise EncryptionError("two keys have the same version")
        return cls({int(number): AESGCM(parse_key(key)) for number, _, key in entries})

    def encrypt(self, plain: bytes, *, purpose: str, index: bytes = b"") -> bytes:
        """Encrypt with the newest key."""
        version = max(self.keys)
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = self.keys[version].encrypt(nonce, plain, _build_associated_data(version, purpose, index))
        return bytes([version]) + nonce + ciphertext

    def decrypt(self, ciphertext: bytes, *, purpose: str, index: bytes = b"") -> bytes:
        """Return the plain value. Raises EncryptionError for a wrong key, purpose or index, and for changed bytes."""
        key = self.keys.get(ciphertext[0]) if ciphertext else None
        if key is None:
            raise EncryptionError("encrypted with a key that is not in the ring")
        nonce, body = ciphertext[1 : 1 + _NONCE_BYTES], ciphertext[1 + _NONCE_BYTES :]
        try:
            return key.decrypt(nonce, body, _build_associated_data(ciphertext[0], purpose, index))
        except (InvalidTag, ValueError):
            raise EncryptionError("cannot be decrypted with this key, purpose and index") from None


@dataclass(frozen=True, repr=False)
class BlindIndexKey:
    """Key of the lookup hashes; it decrypts nothing.

    It has one or more links of 32 bytes: the first hashes the value, each further one the hash so far. A new link thus
    upgrades every stored hash without its value, and the earlier links alone are of no use with upgraded hashes. A hash
    of several links ends with their number. `others` are further keys to look up by while one key replaces another.
    """

    key: bytes
    others: tuple[bytes, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "BlindIndexKey":
        """Parse base64 of the links, then of `others` after commas. Raises EncryptionError without repeating it."""
        keys = [_parse_links(entry.strip()) for entry in text.split(",")]
        if any(longer[:-KEY_BYTES] != shorter for shorter, longer in pairwise(sorted(keys, key=len))):
            raise EncryptionError("each index key must extend another one by one link")
        return cls(keys[0], tuple(keys[1:]))

    @property
    def text(self) -> str:
        """Return the text that `parse` reads."""
        return ",".join(base64.b64encode(key).decode() for key in (self.key, *self.others))

    @property
    def version(self) -> int:
        """Return the number of links."""
        return len(self.key) // KEY_BYTES

    def compute_index(self, purpose: str, value: str) -> bytes:
        """Return a hash that is equal for equal values of the same purpose and reveals nothing without the key."""
        return self.upgrade(self.compute_base_index(purpose, value))

    def compute_other_indexes(self, purpose: str, value: str) -> tuple[bytes, ...]:
        """Return the hashes with each of the other keys."""
        return tuple(BlindIndexKey(key).compute_index(purpose, value) for key in self.others)

    def compute_base_index(self, purpose: str, value: str) -> bytes:
        """Return the hash of the first link, which no further link changes: for values that cannot be guessed."""
        mac = self._prepared.copy()
        mac.update(f"{purpose}\0{value}".encode())
        return mac.digest()[:INDEX_BYTES]

    @cached_property
    def _prepared(self) -> hmac.HMAC:
        """Return the HMAC with the key, once for all values: OpenSSL looks up the algorithm for every new key."""
        return hmac.new(self.key[:KEY_BYTES], digestmod="sha256")

    def upgrade(self, index: bytes) -> bytes:
        """Return the hash of all links, computed from a hash of the first ones."""
        applied_links = get_index_version(index)
        if applied_links >= self.version:
            return index
        digest = index[:INDEX_BYTES]
        for link in range(applied_links * KEY_BYTES, len(self.key), KEY_BYTES):
            digest = hmac.digest(self.key[link : link + KEY_BYTES], digest, "sha256")[:INDEX_BYTES]
        return digest + bytes([self.version])


def get_index_version(index: bytes) -> int:
    """Return the number of links applied to a hash."""
    return index[INDEX_BYTES] if len(index) > INDEX_BYTES else 1


def parse_key(text: str) -> bytes:
    """Return 32 bytes from base64. Raises EncryptionError without repeating the text."""
    key = _parse_links(text)
    if len(key) != KEY_BYTES:
        raise EncryptionError(f"a key must be base64 of {KEY_BYTES} bytes")
    return key


def _parse_links(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EncryptionError("a key must be base64") from None
    if not key or len(key) % KEY_BYTES or len(key) > MAX_LINKS * KEY_BYTES:
        raise EncryptionError(f"a key must be base64 of {KEY_BYTES} bytes, an index key of as many for each link")
    return key


def _build_associated_data(version: int, purpose: str, index: bytes) -> bytes:
    return b"kreisfunk\0" + bytes([version]) + purpose.encode() + b"\0" + index
