"""The files of the repository, as git knows them or, where there is no git, as they lie there."""

import ast
import gc
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from deploy.paths import ROOT

PACKAGES = ("services", "shared", "simulator", "cli", "deploy", "tests", "tools", "benchmarks")
_GENERATED = {".git", ".venv", ".local", "__pycache__", "dist"}


def list_tracked_files() -> list[Path]:
    """Everything that is, or would be, in a commit."""
    if not (ROOT / ".git").exists():
        return [path for path in ROOT.rglob("*") if path.is_file() and not _GENERATED & set(path.parts)]
    listed = subprocess.run(["git", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def list_python_files() -> list[Path]:
    """Every module in a package of ours, committed or not."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return [path for path in found if not _GENERATED & set(path.parts)]


@cache
def parse_module(path: Path) -> ast.Module:
    """Parse a module once; looking for garbage among a million nodes would take four times as long as that."""
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        gc.freeze()
        gc.enable()


def measure_functions(path: Path) -> Iterator[tuple[str, int]]:
    """The name of each function in a module, and its length in lines without the docstring."""
    for node in ast.walk(parse_module(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, _measure_length(node)


def list_docstrings(path: Path) -> Iterator[str]:
    """Every docstring of a module."""
    for node in ast.walk(parse_module(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def _measure_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    first = node.body[0]
    has_docstring = ast.get_docstring(node) is not None and first.end_lineno is not None
    docstring = first.end_lineno - first.lineno + 1 if has_docstring and first.end_lineno else 0
    return node.end_lineno - node.lineno + 1 - docstring


def format_path(path: Path) -> str:
    """A path for a failing test's output."""
    return str(path.relative_to(ROOT))
