"""Comparison of the packages in a lock file with advisories in OSV's format: `make audit ADVISORIES=file`.

Needs no network: the file is one advisory, a list of them, an answer to OSV's query (`vulns`), or OSV's archive of an
ecosystem (zip). Exit status: 0 nothing found, 1 something found, 2 a file cannot be read.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile, is_zipfile

import msgspec
from msgspec import Struct
from packaging.utils import canonicalize_name, canonicalize_version
from packaging.version import InvalidVersion, Version

from deploy.release.lock import LockError, Pin, read_lock

FOUND, UNREADABLE = 1, 2
ECOSYSTEM = "PyPI"
ORDERED = ("ECOSYSTEM", "SEMVER")


class Package(Struct, frozen=True):
    ecosystem: str
    name: str


class RangeEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """A version at which a range begins or ends; exactly one of the four is set.

    A `limit` is not evaluated: a false alarm is better than a miss.
    """

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None


class Range(Struct, frozen=True):
    type: str
    events: tuple[RangeEvent, ...] = ()


class Affected(Struct, frozen=True):
    package: Package | None = None
    ranges: tuple[Range, ...] = ()
    versions: tuple[str, ...] = ()


class Advisory(Struct, frozen=True):
    """The parts of an advisory that say which packages are affected."""

    id: str
    affected: tuple[Affected, ...] = ()
    aliases: tuple[str, ...] = ()
    summary: str = ""
    withdrawn: str | None = None


class AdvisoriesError(Exception):
    """The file cannot be read, or holds no advisory."""


class Hit(NamedTuple):
    """A package affected by an advisory; `fixed` are the versions without the vulnerability."""

    pin: Pin
    advisory: Advisory
    fixed: tuple[str, ...]


def read_advisories(path: Path) -> list[Advisory]:
    """Return all advisories of the file; raise AdvisoriesError if one cannot be read, or if there is none."""
    try:
        advisories = [
            msgspec.convert(item, Advisory) for text in _read_documents(path) for item in _list_advisories(text)
        ]
    except (OSError, BadZipFile, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AdvisoriesError(f"{path}: {error}") from error
    if not advisories:
        raise AdvisoriesError(f"{path}: there is no advisory in it")
    return advisories


def _read_documents(path: Path) -> Iterator[bytes]:
    if not is_zipfile(path):
        yield path.read_bytes()
        return
    with ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield archive.read(name)


def _list_advisories(document: bytes) -> list[Any]:
    content = msgspec.json.decode(document)
    if isinstance(content, dict) and "id" not in content:
        content = content.get("vulns")
    return content if isinstance(content, list) else [content]


def find_hits(pins: Sequence[Pin], advisories: Iterable[Advisory]) -> list[Hit]:
    """Return every pair of a package and an advisory that affects its version and has not been withdrawn."""
    by_name: Mapping[str, Pin] = {pin.name: pin for pin in pins}
    hits = []
    for advisory in advisories:
        for affected in () if advisory.withdrawn else advisory.affected:
            package = affected.package
            pin = by_name.get(canonicalize_name(package.name)) if package and package.ecosystem == ECOSYSTEM else None
            spans = [span.events for span in affected.ranges if span.type in ORDERED]
            if pin is None:
                continue
            is_listed = canonicalize_version(pin.version) in map(canonicalize_version, affected.versions)
            if is_listed or any(_is_within(pin.version, span) for span in spans):
                fixed = tuple(event.fixed for span in spans for event in span if event.fixed)
                hits.append(Hit(pin, advisory, fixed))
    return hits


def _is_within(version: str, span: Sequence[RangeEvent]) -> bool:
    """Return whether the version is vulnerable by these events; True if it or one of them cannot be compared."""
    vulnerable = False
    try:
        for event in sorted((event for event in span if event.limit is None), key=_order_key):
            bounded, bound = _order_key(event)
            if not bounded or Version(version) > bound or (Version(version) == bound and event.last_affected is None):
                vulnerable = event.introduced is not None
    except InvalidVersion:
        return True
    return vulnerable


def _order_key(event: RangeEvent) -> tuple[bool, Version]:
    """Sort `0` before all versions, pre-releases included."""
    version = event.introduced or event.fixed or event.last_affected or ""
    return version != "0", Version(version)


def format_hit(hit: Hit) -> str:
    """Return one line about a hit, with unprintable characters replaced."""
    advisory = hit.advisory
    names = ", ".join((advisory.id, *advisory.aliases))
    fixed = f"fixed in {', '.join(hit.fixed)}" if hit.fixed else "no corrected version is named"
    line = f"{hit.pin.name} {hit.pin.version}: {names}: {advisory.summary or 'no summary'}; {fixed}"
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def audit(lock: Path, advisories: Path) -> int:
    """Print one line for each hit, then the totals, and return the exit status."""
    try:
        known = read_advisories(advisories)
        pins = read_lock(lock.read_text())
    except (AdvisoriesError, LockError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return UNREADABLE
    hits = find_hits(pins, known)
    lines = [*map(format_hit, hits), f"{len(pins)} packages of {lock.name}, {len(known)} advisories, {len(hits)} found"]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return FOUND if hits else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.release.audit", description=__doc__)
    parser.add_argument("advisories", type=Path, help="in OSV's format")
    parser.add_argument("--lock", type=Path, default=Path("requirements.lock"))
    options = parser.parse_args()
    return audit(options.lock, options.advisories)


if __name__ == "__main__":
    sys.exit(main())
