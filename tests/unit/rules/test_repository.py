"""Rules about the repository itself, which no linter knows."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from deploy.paths import ROOT
from tests.unit.rules.planting import PYPROJECT
from tests.unit.rules.repository import (
    PACKAGES,
    format_path,
    list_docstrings,
    list_python_files,
    list_tracked_files,
    measure_functions,
)

MAX_MODULE = 350
MAX_FUNCTION = 45
KINDS = ("unit", "contract", "integration", "e2e")

# Put together here, so that this file does not contain what it looks for.
FORBIDDEN = re.compile(
    "|".join(
        (
            r"(?<![\w.~-])/(?:wor" + r"k|roo" + r"t|far" + r"m|home/[a-z]+)/",
            r"\b(?:files\.pytho" + r"nhosted|pyp" + r"i)\.org\b",
            r"--(?:extra-)?index-" + r"url\b",
            r"\b(?:ghc" + r"r\.io|qua" + r"y\.io|registry-1\.dock" + r"er\.io|registry\.npm" + r"js\.org)\b",
        )
    )
)
NAME = re.compile(r"^([A-Za-z0-9._-]+)")
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
LOCKS = {
    "requirements.lock": list(PYPROJECT["project"]["dependencies"]),
    "requirements-dev.lock": [
        requirement
        for group in ("local", "test", "lint")
        for requirement in (*PYPROJECT["dependency-groups"][group], *PYPROJECT["project"]["dependencies"])
    ],
}


def normalized(names: Iterable[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def test_every_folder_with_code_is_a_package() -> None:
    """Without it the import rules, silently, do not look inside."""
    folders = {path.parent for path in list_python_files()}
    folders |= {parent for folder in folders for parent in folder.parents if parent.is_relative_to(ROOT)}
    folders.discard(ROOT)
    assert [format_path(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_every_package_is_checked_for_types() -> None:
    assert set(PYPROJECT["tool"]["mypy"]["files"]) == set(PACKAGES)


def test_no_module_is_too_long() -> None:
    lengths = {format_path(path): len(path.read_text().splitlines()) for path in list_python_files()}
    assert {path: length for path, length in lengths.items() if length > MAX_MODULE} == {}


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{format_path(path)}:{name}": length
        for path in list_python_files()
        for name, length in measure_functions(path)
    }
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION} == {}


def test_no_kind_of_test_imports_from_another() -> None:
    """What several kinds need is in `tests/factories`, in `tests/harness` or beside these folders."""
    imported = re.compile(rf"^\s*(?:from|import) (tests\.(?:{'|'.join(KINDS)}))\b", re.MULTILINE)
    found = {format_path(path): set(imported.findall(path.read_text())) for path in list_python_files()}
    own = {path: {".".join(path.split("/")[:2])} for path in found}
    assert {path: others for path, names in found.items() if (others := names - own[path])} == {}


def test_each_process_collects_the_same_tests() -> None:
    """pytest-xdist runs none when they differ, e.g. because a case's name is the time or the order of a set."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-p", "no:randomly", "tests"]

    def collect(seed: str) -> list[str]:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return [line for line in done.stdout.splitlines() if "::" in line]

    first, second = collect("1"), collect("2")
    assert first
    assert first == second


def test_no_docstring_says_a_line_twice() -> None:
    lines = [
        (path, [line for line in docstring.splitlines() if line])
        for path in list_python_files()
        for docstring in list_docstrings(path)
    ]
    assert {format_path(path) for path, said in lines if len(set(said)) < len(said)} == set()


def test_no_file_names_a_registry_or_a_machine() -> None:
    found = {format_path(path): match[0] for path in list_tracked_files() if (match := _forbidden_in(path))}
    assert found == {}


def _forbidden_in(path: Path) -> re.Match[str] | None:
    try:
        return FORBIDDEN.search(path.read_text())
    except UnicodeDecodeError:
        return None  # a picture


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash_and_no_address(lock: str) -> None:
    assert re.findall(r"\S*://\S*|^-\S+", _requirements(lock), re.MULTILINE) == []
    blocks = re.split(r"\n(?=[A-Za-z0-9])", _requirements(lock))
    assert len(blocks) > 10
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_every_package_of_pyproject(lock: str) -> None:
    wanted = normalized(match[1] for line in LOCKS[lock] if (match := NAME.match(line)))
    assert wanted <= normalized(LOCKED.findall(_requirements(lock)))


def test_what_is_for_development_only_is_not_in_the_image() -> None:
    groups = PYPROJECT["dependency-groups"]
    development = {
        match[1] for group in ("local", "test", "lint") for line in groups[group] if (match := NAME.match(line))
    }
    assert normalized(development) & normalized(LOCKED.findall(_requirements("requirements.lock"))) == set()


def _requirements(lock: str) -> str:
    lines = (ROOT / lock).read_text().splitlines()
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
