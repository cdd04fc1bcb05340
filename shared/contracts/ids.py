"""Deterministic identifiers: the same inputs always give the same id."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_VERSION = 0x8 << 76
_VARIANT = 0b10 << 62


def make_timed_id(at: datetime, *parts: bytes) -> UUID:
    """Return a version 8 UUID (RFC 9562): 48 bits of `at` in milliseconds, then 74 bits of the parts' SHA-256.

    Ids sort by time, so a table may be partitioned by ranges of its id.
    """
    milliseconds = (at - _EPOCH) // _MILLISECOND  # integers, as floats would be rounded
    return _compose(milliseconds, parts)


def derive_id(origin: UUID, *parts: bytes) -> UUID:
    """Return an id that depends on `origin` and `parts` only, and has the time of `origin`."""
    return _compose(origin.int >> 80, (origin.bytes, *parts))


def read_time(identifier: UUID) -> datetime:
    """Return the time in an id."""
    return _EPOCH + (identifier.int >> 80) * _MILLISECOND


def delivery_id(source: UUID, subscriber: UUID) -> UUID:
    """Return the id of the ledger row of one broadcast to one subscriber; equal arguments always give the same id."""
    return derive_id(source, subscriber.bytes)


def _compose(milliseconds: int, parts: tuple[bytes, ...]) -> UUID:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    number = int.from_bytes(digest.digest()[:10], "big")
    random_a = (number >> 62) & 0xFFF
    random_b = number & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | _VERSION | (random_a << 64) | _VARIANT | random_b)
