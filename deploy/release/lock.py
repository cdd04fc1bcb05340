"""The packages that a lock file pins."""

import re
from typing import NamedTuple

from packaging.utils import canonicalize_name

_PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)\s*(?:;\s*(.+?))?\s*\\?")


class LockError(Exception):
    """A line that pins nothing, or no line at all."""


class Pin(NamedTuple):
    """One package; `marker` says where it is installed, and is empty for everywhere."""

    name: str
    version: str
    marker: str = ""


def read_lock(text: str) -> list[Pin]:
    """Return the packages in their order, by their normalized names; raise LockError."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith((" ", "#"))]
    pins = [_parse_pin(line) for line in lines]
    if not pins:
        raise LockError("nothing is pinned")
    return pins


def _parse_pin(line: str) -> Pin:
    found = _PIN.fullmatch(line)
    if found is None:
        raise LockError(f"no pinned package: {line}")
    return Pin(canonicalize_name(found[1]), found[2], found[3] or "")
