"""Pure modules await nothing, read no clock and draw no random value: import-linter sees only what they import."""

import ast
from collections.abc import Iterator
from pathlib import Path

from deploy.paths import ROOT
from tests.unit.rules.planting import CONTRACTS
from tests.unit.rules.repository import format_path, parse_module

ASYNCHRONOUS = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
IMPURE_CALLS = {"now", "today", "utcnow", "uuid1", "uuid4"}


def list_pure_files() -> Iterator[Path]:
    for module in CONTRACTS["pure"]["source_modules"]:
        for path in ROOT.glob(module.replace(".", "/")):
            yield from path.rglob("*.py")
        yield from ROOT.glob(f"{module.replace('.', '/')}.py")


def is_impure(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", getattr(node.func, "id", "")) in IMPURE_CALLS
    return isinstance(node, ASYNCHRONOUS)


def test_pure_modules_await_nothing_and_read_no_clock() -> None:
    files = list(list_pure_files())
    assert len(files) > 50
    assert [
        f"{format_path(path)}:{node.lineno}"
        for path in files
        for node in ast.walk(parse_module(path))
        if isinstance(node, ast.stmt | ast.expr) and is_impure(node)
    ] == []


def test_ports_hold_interfaces_only() -> None:
    classes = [
        (format_path(path), node.name, [ast.unparse(base) for base in node.bases])
        for path in sorted(ROOT.glob("services/**/ports.py"))
        for node in parse_module(path).body
        if isinstance(node, ast.ClassDef)
    ]
    assert len(classes) > 10
    assert [(path, name) for path, name, bases in classes if "Protocol" not in bases] == []
