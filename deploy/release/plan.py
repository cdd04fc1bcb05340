"""The plan of a release: its edits, problems and artefacts."""

import re
import subprocess
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from packaging.version import Version

VERSION_FILE, CATALOGUE, CHANGELOG = "deploy/__init__.py", "publiccode.yml", "CHANGELOG.md"
CHART = "deploy/helm/kreisfunk/Chart.yaml"
IMAGE = "kreisfunk"
_NUMBERS = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}")
_VERSION = re.compile(r'(?<=^VERSION = ")[^"]+(?="$)', re.MULTILINE)
_SOFTWARE_VERSION = re.compile(r'^softwareVersion: "([^"]+)"\n(?:releaseDate: .*\n)?', re.MULTILINE)
_CHART_VERSIONS = re.compile(r"(?<=^version: ).+|(?<=^appVersion: ).+", re.MULTILINE)
_URL = re.compile(r'^url: "([^"]+)"', re.MULTILINE)
_UNRELEASED = re.compile(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A release of the checkout in `root`; `problems` prevent it, `edits` are still to be written."""

    root: Path
    version: str
    problems: tuple[str, ...]
    edits: dict[str, str]
    labels: dict[str, str]
    committed_at: datetime

    @property
    def tag(self) -> str:
        return f"v{self.version}"

    @property
    def image(self) -> str:
        return f"{IMAGE}:{self.version}"

    @property
    def archive(self) -> str:
        return f"dist/kreisfunk-{self.version}.tar.gz"

    @property
    def bill(self) -> str:
        return f"dist/kreisfunk-{self.version}.cdx.json"


def plan_release(root: Path, version: str | None, today: date) -> Plan:
    """Plan a release of this version; if None, of the prepared one or else the next minor version."""
    files = {name: (root / name).read_text() for name in (VERSION_FILE, CATALOGUE, CHART, CHANGELOG)}
    current = _read_current(files)
    version = version or _choose_next(current, files[CHANGELOG], ask_git(root, "tag", "--list").split())
    committed_at = datetime.fromisoformat(ask_git(root, "log", "-1", "--format=%cI"))
    problems = (
        *_check_version(version, current),
        *_check_tree(root, version),
        *_check_files(files, version),
    )
    return Plan(
        root=root,
        version=version,
        problems=problems,
        edits=_build_edits(files, version, today),
        labels=_build_labels(files, version, ask_git(root, "rev-parse", "HEAD"), committed_at),
        committed_at=committed_at,
    )


def ask_git(root: Path, *arguments: str) -> str:
    """Return git's output, or raise CalledProcessError."""
    command = ["git", *arguments]
    result = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True)  # noqa: S603 (fixed arguments)
    return result.stdout.strip()


def _read_current(files: dict[str, str]) -> str:
    match = _VERSION.search(files[VERSION_FILE])
    if match is None:
        raise ValueError(f"{VERSION_FILE} names no VERSION")
    return match[0]


def _choose_next(current: str, changelog: str, tags: list[str]) -> str:
    """Return the checkout's version if it is prepared and not yet tagged, else the next minor version."""
    if _find_section(changelog, current) and f"v{current}" not in tags:
        return current
    version = Version(current)
    return f"{version.major}.{version.minor + 1}.0"


def _check_version(version: str, current: str) -> list[str]:
    if not _NUMBERS.fullmatch(version):
        return [f"{version} is not a version: it needs three numbers separated by dots."]
    return [f"{version} is older than {current}."] if Version(version) < Version(current) else []


def _check_tree(root: Path, version: str) -> list[str]:
    problems = []
    if changed := ask_git(root, "status", "--porcelain").splitlines():
        problems.append(f"The tree is not clean: {len(changed)} files are changed or new.")
    if ask_git(root, "tag", "--list", f"v{version}"):
        problems.append(f"The tag v{version} exists already.")
    return problems


def _check_files(files: dict[str, str], version: str) -> list[str]:
    problems = []
    match = _SOFTWARE_VERSION.search(files[CATALOGUE])
    if match is None or match[1] != _read_current(files):
        problems.append(f"{CATALOGUE} names another softwareVersion than {VERSION_FILE}.")
    unreleased = _UNRELEASED.search(files[CHANGELOG])
    if not _find_section(files[CHANGELOG], version) and not (unreleased and unreleased[1].strip()):
        problems.append(
            f"{CHANGELOG} has no section for {version}, and nothing under [Unreleased] that could become one."
        )
    return problems


def _find_section(changelog: str, version: str) -> re.Match[str] | None:
    return re.search(rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d)$", changelog, re.MULTILINE)


def _build_edits(files: dict[str, str], version: str, today: date) -> dict[str, str]:
    section = _find_section(files[CHANGELOG], version)
    day = section[1] if section else today.isoformat()
    entry = f'softwareVersion: "{version}"\nreleaseDate: "{day}"\n'
    heading = f"## [Unreleased]\n\n## [{version}] - {day}\n"
    edited = {
        VERSION_FILE: _VERSION.sub(version, files[VERSION_FILE]),
        CATALOGUE: _SOFTWARE_VERSION.sub(entry, files[CATALOGUE]),
        CHART: _CHART_VERSIONS.sub(version, files[CHART]),
        CHANGELOG: files[CHANGELOG] if section else files[CHANGELOG].replace("## [Unreleased]\n", heading, 1),
    }
    return {name: text for name, text in edited.items() if text != files[name]}


def _build_labels(files: dict[str, str], version: str, revision: str, committed_at: datetime) -> dict[str, str]:
    """Return the image labels that differ from release to release, by the name of the Dockerfile's argument."""
    source = _URL.search(files[CATALOGUE])
    return {
        "VERSION": version,
        "REVISION": revision,
        "CREATED": committed_at.isoformat(),
        "SOURCE": source[1] if source else "",
    }
