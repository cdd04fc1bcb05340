"""What is looked for: each personal value in every form in which it could have been written. Pure."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from urllib.parse import quote

SHORTEST_PREFIX = 4
_LOST_AT_START = (0, 2, 3)  # characters of base64 that also hold bits of what stands before
_LOST_AT_END = (0, 3, 2)  # the same with what stands after, padding included
COUNTRY = "49"
PLAIN = "plain"


class Kind(StrEnum):
    """What somebody could learn from it."""

    PHONE = "phone number"
    USER_ID = "user id"
    MESSAGE_ID = "message id"
    NAME = "profile name"
    TEXT = "text of a citizen"
    ERASED = "hash of somebody who was erased"


@dataclass(frozen=True)
class Secrets:
    """All personal values of a run; `erased` are hashes of addresses of people who had everything deleted."""

    phones: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    erased: tuple[bytes, ...] = ()


@dataclass(frozen=True, order=True)
class Needle:
    """The kind of a value and the form in which it is written."""

    kind: Kind
    form: str


@dataclass(frozen=True)
class Group:
    """Patterns that begin alike, by their length."""

    needle: Needle
    prefix: bytes
    patterns: dict[int, set[bytes]] = field(default_factory=lambda: defaultdict(set))

    @property
    def longest(self) -> int:
        return max(self.patterns)


def groups(secrets: Secrets) -> tuple[Group, ...]:
    """Everything to look for; values of one kind and form have a prefix in common, which is what makes it fast."""
    written: dict[tuple[Needle, int], set[bytes]] = defaultdict(set)
    for kind, value in _values(secrets):
        for pattern, (form, number) in _different(kind, value).items():
            written[Needle(kind, form), number].add(pattern)
    hashes = {(Needle(Kind.ERASED, PLAIN), 0): set(secrets.erased)} if secrets.erased else {}
    together = {**written, **hashes}
    return tuple(group for (needle, _), patterns in together.items() for group in _grouped(needle, patterns))


def _values(secrets: Secrets) -> Iterator[tuple[Kind, str]]:
    """What makes a value personal, without what may be written in front of it or left out."""
    yield from ((Kind.PHONE, phone.lstrip("+").removeprefix(COUNTRY)) for phone in secrets.phones)
    yield from ((Kind.USER_ID, user_id.rpartition(".")[2]) for user_id in secrets.user_ids)
    yield from ((Kind.MESSAGE_ID, message_id.partition(".")[2]) for message_id in secrets.message_ids)
    yield from ((Kind.NAME, name) for name in secrets.names)
    yield from ((Kind.TEXT, text) for text in secrets.texts)


def _different(kind: Kind, value: str) -> dict[bytes, tuple[str, int]]:
    """Each pattern under the first of the forms that look the same, with the number of the form."""
    different: dict[bytes, tuple[str, int]] = {}
    for number, (form, pattern) in enumerate(_forms(kind, value)):
        different.setdefault(pattern, (form, number))
    return different


def _forms(kind: Kind, value: str) -> Iterator[tuple[str, bytes]]:
    plain = value.encode()
    yield PLAIN, plain
    yield "hex", plain.hex().encode()
    yield "hex", plain.hex().upper().encode()
    yield from (("base64", pattern) for pattern in _base64(plain))
    yield from (("base64", pattern.translate(_URL_SAFE)) for pattern in _base64(plain))
    yield "URL-encoded", quote(value, safe="").encode()
    yield "JSON-escaped", json.dumps(value)[1:-1].encode()
    if kind is Kind.PHONE and value.isdecimal():
        yield "number", int(COUNTRY + value).to_bytes(8, "big")


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _base64(plain: bytes) -> Iterator[bytes]:
    """As part of something longer it may begin at any of three places of a group."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + plain)
        lost = _LOST_AT_END[(before + len(plain)) % 3]
        yield whole[_LOST_AT_START[before] : len(whole) - lost]


def _grouped(needle: Needle, patterns: Iterable[bytes]) -> Iterator[Group]:
    together = list(patterns)
    prefix = _common_prefix(min(together), max(together))
    if len(prefix) >= SHORTEST_PREFIX:
        yield _group(needle, prefix, together)
        return
    apart: dict[bytes, list[bytes]] = defaultdict(list)
    for pattern in together:
        apart[pattern[:SHORTEST_PREFIX]].append(pattern)
    yield from (_group(needle, beginning, some) for beginning, some in apart.items())


def _common_prefix(first: bytes, last: bytes) -> bytes:
    """What the first and the last in order have in common, all between have too."""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return bytes(one for one, _ in alike)


def _group(needle: Needle, prefix: bytes, patterns: Iterable[bytes]) -> Group:
    group = Group(needle, prefix)
    for pattern in patterns:
        group.patterns[len(pattern)].add(pattern)
    return group
