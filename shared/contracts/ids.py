"""Deterministic identifiers: whoever makes the same thing again makes the same id again."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_VERSION = 0x8 << 76
_VARIANT = 0b10 << 62


def make_timed_id(at: datetime, *parts: bytes) -> UUID:
    """A version 8 UUID (RFC 9562): 48 bits of `at` in milliseconds, then 74 bits of the parts' SHA-256.

    Ids sort by time, so a table may be partitioned by ranges of its id.
    """
    return _compose(_count_milliseconds(at), parts)


def derive_id(origin: UUID, *parts: bytes) -> UUID:
    """An id with the time of `origin` that depends on nothing but `origin` and `parts`."""
    return _compose(origin.int >> 80, (origin.bytes, *parts))


def delivery_id(source: UUID, subscriber: UUID) -> UUID:
    """The ledger row of one broadcast to one subscriber; equal arguments give the same row everywhere."""
    return derive_id(source, subscriber.bytes)


def extract_time(identifier: UUID) -> datetime:
    """The time inside an id of this module, to the millisecond."""
    return _EPOCH + (identifier.int >> 80) * _MILLISECOND


def compute_lowest_id(at: datetime) -> UUID:
    """The bound below which no id made at or after `at` can lie."""
    return UUID(int=_count_milliseconds(at) << 80)


def _count_milliseconds(at: datetime) -> int:
    """Whole ones since 1970, without the rounding of floats."""
    return (at - _EPOCH) // _MILLISECOND


def _compose(milliseconds: int, parts: tuple[bytes, ...]) -> UUID:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    hashed = int.from_bytes(digest.digest()[:10], "big")
    random_a = (hashed >> 62) & 0xFFF
    random_b = hashed & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | _VERSION | (random_a << 64) | _VARIANT | random_b)
