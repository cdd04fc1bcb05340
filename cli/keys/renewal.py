"""Renewal of encrypted addresses and their hashes, also inside messages.

Inside messages they are JSON objects with `kind`, `index` and `sealed`, as in shared.contracts.
"""

import base64
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.encryption import BlindIndexKey, KeyRing

ADDRESS_KEYS = {"kind", "index", "sealed"}


@dataclass(frozen=True)
class AddressRenewal:
    """Encryption with the newest key of the ring; with `index` the hash is upgraded to it, too."""

    ring: KeyRing
    index: BlindIndexKey | None = None

    def renew(self, kind: str, index: bytes, ciphertext: bytes | None) -> tuple[bytes, bytes | None]:
        """Return the hash and the encrypted address, which may be erased. Raises EncryptionError."""
        after = self.index.upgrade(index) if self.index else index
        if not ciphertext or (ciphertext[0] == max(self.ring.keys) and after == index):
            return after, ciphertext
        plain = self.ring.decrypt(ciphertext, purpose=kind, index=index)
        return after, self.ring.encrypt(plain, purpose=kind, index=after)


def renew_event(body: bytes, renewal: AddressRenewal) -> bytes:
    """Return the event with its addresses renewed. Raises EncryptionError."""
    event = msgspec.json.decode(body)
    return msgspec.json.encode(event) if _renew_all(event, renewal) else body


def renew_publications(stored: bytes, renewal: AddressRenewal) -> bytes:
    """Do the same as `renew_event` for a list of publications in MessagePack."""
    publications: list[dict[str, Any]] = msgspec.msgpack.decode(stored)
    bodies = [renew_event(row["body"], renewal) for row in publications]
    if bodies == [row["body"] for row in publications]:
        return stored
    return msgspec.msgpack.encode([{**row, "body": body} for row, body in zip(publications, bodies, strict=True)])


def _renew_all(value: Any, renewal: AddressRenewal) -> bool:
    """Renew the addresses in place; return whether any has changed."""
    if isinstance(value, dict) and value.keys() >= ADDRESS_KEYS:
        return _renew(value, renewal)
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any([_renew_all(child, renewal) for child in children])


def _renew(address: dict[str, str], renewal: AddressRenewal) -> bool:
    index, ciphertext = base64.b64decode(address["index"]), base64.b64decode(address["sealed"])
    new_index, new_ciphertext = renewal.renew(address["kind"], index, ciphertext)
    address["index"] = base64.b64encode(new_index).decode()
    address["sealed"] = base64.b64encode(new_ciphertext or b"").decode()
    return (new_index, new_ciphertext) != (index, ciphertext)
