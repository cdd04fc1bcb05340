"""The packages that a lock file pins."""

import json
import re
from typing import NamedTuple

from packaging.utils import canonicalize_name

_PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)\s*(?:;\s*(.+?))?\s*\\?")


class LockError(Exception):
    """The lock file has a line without a pin, or no pins."""


class Pin(NamedTuple):
    """One pinned package; `marker` is its environment marker, empty if it is installed everywhere.

    `registry` is the type of its package URL.
    """

    name: str
    version: str
    marker: str = ""
    registry: str = "pypi"


def read_lock(text: str) -> list[Pin]:
    """Return the packages in file order, with normalized names; raise LockError."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith((" ", "#"))]
    pins = [_parse_pin(line) for line in lines]
    if not pins:
        raise LockError("nothing is pinned")
    return pins


def read_npm_lock(text: str) -> list[Pin]:
    packages = json.loads(text)["packages"]
    pins = [
        Pin(path.rpartition("node_modules/")[2], entry["version"], "", "npm")
        for path, entry in packages.items()
        if path
    ]
    if not pins:
        raise LockError("nothing is pinned")
    return pins


def _parse_pin(line: str) -> Pin:
    match = _PIN.fullmatch(line)
    if match is None:
        raise LockError(f"not a pinned package: {line}")
    return Pin(canonicalize_name(match[1]), match[2], match[3] or "")
