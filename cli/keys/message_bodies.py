"""Encrypted addresses inside messages: JSON objects with `kind`, `index` and `sealed`, as in shared.contracts."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from shared.encryption import EncryptionError, KeyRing

Renewal = Callable[[bytes, KeyRing], tuple[bytes, int]]
IndexUpgrade = Callable[[bytes], bytes]
ADDRESS_KEYS = {"kind", "index", "sealed"}


def keep_index(index: bytes) -> bytes:
    return index


def renew_event(body: bytes, ring: KeyRing, lift: IndexUpgrade = keep_index) -> tuple[bytes, int]:
    """Return the event with its addresses encrypted anew, hashes upgraded, and how many cannot be decrypted."""
    event = msgspec.json.decode(body)
    renewed, unreadable = _renew_all(event, ring, lift)
    return (msgspec.json.encode(event) if renewed else body), unreadable


def renew_publications(stored: bytes, ring: KeyRing, lift: IndexUpgrade = keep_index) -> tuple[bytes, int]:
    """Do the same as `renew_event` for a list of publications in MessagePack."""
    publications: list[dict[str, Any]] = msgspec.msgpack.decode(stored)
    unreadable, changed = 0, False
    for publication in publications:
        before = publication["body"]
        publication["body"], failed = renew_event(before, ring, lift)
        unreadable, changed = unreadable + failed, changed or publication["body"] != before
    return (msgspec.msgpack.encode(publications) if changed else stored), unreadable


def _renew_all(value: Any, ring: KeyRing, lift: IndexUpgrade) -> tuple[int, int]:
    """Encrypt the addresses anew in place; return how many were, and how many cannot be decrypted."""
    if isinstance(value, dict) and value.keys() >= ADDRESS_KEYS:
        return _renew(value, ring, lift)
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    counts = [_renew_all(one, ring, lift) for one in inside]
    return sum(renewed for renewed, _ in counts), sum(failed for _, failed in counts)


def _renew(address: dict[str, str], ring: KeyRing, lift: IndexUpgrade) -> tuple[int, int]:
    index, sealed = base64.b64decode(address["index"]), base64.b64decode(address["sealed"])
    after = lift(index)
    if not sealed or (sealed[0] == max(ring.keys) and after == index):
        return 0, 0
    try:
        plain = ring.decrypt(sealed, purpose=address["kind"], index=index)
    except EncryptionError:
        return 0, 1
    address["index"] = base64.b64encode(after).decode()
    address["sealed"] = base64.b64encode(ring.encrypt(plain, purpose=address["kind"], index=after)).decode()
    return 1, 0
