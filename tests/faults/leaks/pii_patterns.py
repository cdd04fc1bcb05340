"""Search patterns: each personal value in every form in which it could have been written. Pure."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from urllib.parse import quote

MIN_PREFIX_LENGTH = 4
_LOST_AT_START = (0, 2, 3)  # base64 characters that also contain bits of the preceding bytes
_LOST_AT_END = (0, 3, 2)  # the same for the following bytes, padding included
COUNTRY = "49"
PLAIN = "plain"


class PiiKind(StrEnum):
    """Kind of personal data."""

    PHONE = "phone number"
    USER_ID = "user id"
    MESSAGE_ID = "message id"
    NAME = "profile name"
    TEXT = "text of a citizen"
    ERASED = "hash of somebody who was erased"


@dataclass(frozen=True)
class PiiValues:
    """All personal values of a run; `erased` are hashes of addresses of people who had everything deleted."""

    phones: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    erased: tuple[bytes, ...] = ()


@dataclass(frozen=True, order=True)
class PatternLabel:
    """Kind of a value and the form in which it is written."""

    kind: PiiKind
    form: str


@dataclass(frozen=True)
class PatternGroup:
    """Patterns with a common prefix, by their length."""

    label: PatternLabel
    prefix: bytes
    patterns: dict[int, set[bytes]] = field(default_factory=lambda: defaultdict(set))

    @property
    def longest(self) -> int:
        return max(self.patterns)


def build_pattern_groups(secrets: PiiValues) -> tuple[PatternGroup, ...]:
    """Build all patterns; values of one kind and form share a prefix, which makes the search fast."""
    by_form: dict[tuple[PatternLabel, int], set[bytes]] = defaultdict(set)
    for kind, value in _normalize_values(secrets):
        for pattern, (form, number) in _index_patterns(kind, value).items():
            by_form[PatternLabel(kind, form), number].add(pattern)
    hashes = {(PatternLabel(PiiKind.ERASED, PLAIN), 0): set(secrets.erased)} if secrets.erased else {}
    everything = {**by_form, **hashes}
    return tuple(group for (label, _), patterns in everything.items() for group in _split_groups(label, patterns))


def _normalize_values(secrets: PiiValues) -> Iterator[tuple[PiiKind, str]]:
    """Yield the identifying part of each value, without any prefix that may be written differently or omitted."""
    yield from ((PiiKind.PHONE, phone.lstrip("+").removeprefix(COUNTRY)) for phone in secrets.phones)
    yield from ((PiiKind.USER_ID, user_id.rpartition(".")[2]) for user_id in secrets.user_ids)
    yield from ((PiiKind.MESSAGE_ID, message_id.partition(".")[2]) for message_id in secrets.message_ids)
    yield from ((PiiKind.NAME, name) for name in secrets.names)
    yield from ((PiiKind.TEXT, text) for text in secrets.texts)


def _index_patterns(kind: PiiKind, value: str) -> dict[bytes, tuple[str, int]]:
    """Return form and number of the form by pattern; if several forms look the same, the first one counts."""
    forms: dict[bytes, tuple[str, int]] = {}
    for number, (form, pattern) in enumerate(_generate_forms(kind, value)):
        forms.setdefault(pattern, (form, number))
    return forms


def _generate_forms(kind: PiiKind, value: str) -> Iterator[tuple[str, bytes]]:
    plain = value.encode()
    yield PLAIN, plain
    yield "hex", plain.hex().encode()
    yield "hex", plain.hex().upper().encode()
    yield from (("base64", pattern) for pattern in _encode_base64(plain))
    yield from (("base64", pattern.translate(_URL_SAFE)) for pattern in _encode_base64(plain))
    yield "URL-encoded", quote(value, safe="").encode()
    yield "JSON-escaped", json.dumps(value)[1:-1].encode()
    if kind is PiiKind.PHONE and value.isdecimal():
        yield "number", int(COUNTRY + value).to_bytes(8, "big")


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _encode_base64(plain: bytes) -> Iterator[bytes]:
    """Yield the base64 forms inside a longer text, where the value can start at any of three offsets of a group."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + plain)
        lost = _LOST_AT_END[(before + len(plain)) % 3]
        yield whole[_LOST_AT_START[before] : len(whole) - lost]


def _split_groups(label: PatternLabel, patterns: Iterable[bytes]) -> Iterator[PatternGroup]:
    ordered = sorted(patterns)
    prefix = _find_common_prefix(ordered[0], ordered[-1])
    if len(prefix) >= MIN_PREFIX_LENGTH:
        yield _build_group(label, prefix, ordered)
        return
    by_prefix: dict[bytes, list[bytes]] = defaultdict(list)
    for pattern in ordered:
        by_prefix[pattern[:MIN_PREFIX_LENGTH]].append(pattern)
    yield from (_build_group(label, start, group) for start, group in by_prefix.items())


def _find_common_prefix(first: bytes, last: bytes) -> bytes:
    """Return the common prefix of the first and the last pattern in order; all patterns between share it."""
    common = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return bytes(byte for byte, _ in common)


def _build_group(label: PatternLabel, prefix: bytes, patterns: Iterable[bytes]) -> PatternGroup:
    group = PatternGroup(label, prefix)
    for pattern in patterns:
        group.patterns[len(pattern)].add(pattern)
    return group
